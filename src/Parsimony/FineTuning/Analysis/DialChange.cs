using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Analysis;

/// <summary>
/// What fine-tuning did to the dials of one SAE, as plain numbers: gamma = c - 1 and d of every latent. All parts of it (one latent, all but one,
/// half of the way) are changes of the same kind, so that each can be put into the model and measured.
/// </summary>
public sealed class DialChange
{
    private readonly double[] gamma;
    private readonly float[] shift;

    private DialChange(double[] gamma, float[] shift) => (this.gamma, this.shift) = (gamma, shift);

    /// <summary>The change that given dials are.</summary>
    /// <param name="scale">c, <c>[d_sae]</c>, float32; copied.</param>
    /// <param name="shift">d, <c>[d_sae]</c>, float32; copied.</param>
    /// <exception cref="ArgumentException">The two are not float32 vectors of one length, or a number is not finite.</exception>
    public static DialChange Of(Tensor scale, Tensor shift)
    {
        if (scale.dim() != 1 || shift.dim() != 1 || scale.size(0) != shift.size(0) || scale.dtype != ScalarType.Float32 || shift.dtype != ScalarType.Float32)
            throw new ArgumentException($"scale is {scale.dtype} [{string.Join(", ", scale.shape)}] and shift {shift.dtype} [{string.Join(", ", shift.shape)}]; "
                + "expected two Float32 vectors of one length, [d_sae].");
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        // In float64 c - 1 is exact, so that 1 + gamma is c again to the bit.
        var change = new DialChange([.. scale.cpu().data<float>().Select(c => (double)c - 1)], shift.cpu().data<float>().ToArray());
        for (int i = 0; i < change.DSae; i++)
            if (!double.IsFinite(change.gamma[i]) || !float.IsFinite(change.shift[i]))
                throw new ArgumentException($"the dials of latent {i} are c = {change.Scale(i)}, d = {change.Shift(i)}; they must be finite.");
        return change;
    }

    /// <summary>The change that an adapter's dials are, those of all its hook points in the order of the pass.</summary>
    /// <exception cref="ArgumentException">A number is not finite.</exception>
    public static DialChange Of(DialAdapter adapter)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        return Joined([.. adapter.Dials.Select(d => Of(d.Scale(), d.Shift()))]);
    }

    /// <summary>No change: c = 1, d = 0.</summary>
    /// <param name="dSae">Number of latents, 1 or more.</param>
    public static DialChange None(int dSae)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(dSae, 1);
        return new DialChange(new double[dSae], new float[dSae]);
    }

    /// <summary>The changes of several SAEs as one, their latents one after the other.</summary>
    /// <param name="parts">One or more.</param>
    public static DialChange Joined(IReadOnlyList<DialChange> parts) => new([.. parts.SelectMany(p => p.gamma)], [.. parts.SelectMany(p => p.shift)]);

    /// <summary>Number of latents.</summary>
    public int DSae => gamma.Length;

    /// <summary>The latents whose c is not exactly 1 or whose d is not exactly 0, ascending.</summary>
    public IReadOnlyList<int> Changed => [.. Enumerable.Range(0, DSae).Where(i => gamma[i] != 0 || shift[i] != 0)];

    /// <summary>c of a latent.</summary>
    public float Scale(int latent) => (float)(1 + gamma[latent]);

    /// <summary>d of a latent.</summary>
    public float Shift(int latent) => shift[latent];

    /// <summary>The change of latents that lie one after the other, as one of so many.</summary>
    internal DialChange Part(int first, int count) => new(gamma[first..(first + count)], shift[first..(first + count)]);

    /// <summary>The change of some latents, as one of so many.</summary>
    internal DialChange Of(IReadOnlyList<int> latents) => new([.. latents.Select(i => gamma[i])], [.. latents.Select(i => shift[i])]);

    /// <summary>The change of these latents alone; all others are at rest.</summary>
    public DialChange Only(IEnumerable<int> latents)
    {
        var only = None(DSae);
        foreach (int i in latents) (only.gamma[i], only.shift[i]) = (gamma[i], shift[i]);
        return only;
    }

    /// <summary>The change with these latents put back to rest.</summary>
    public DialChange Without(IEnumerable<int> latents)
    {
        var (g, d) = ((double[])gamma.Clone(), (float[])shift.Clone());
        foreach (int i in latents) (g[i], d[i]) = (0, 0);
        return new DialChange(g, d);
    }

    /// <summary>The point on the straight line from rest (0) to here (1): c = 1 + alpha gamma, d = alpha d. Beyond 1 it overshoots.</summary>
    public DialChange Along(double alpha) => new([.. gamma.Select(g => alpha * g)], [.. shift.Select(d => (float)(alpha * d))]);

    /// <summary>c and d of all latents, <c>[d_sae]</c> each, float32, in the caller's scope.</summary>
    public (Tensor Scale, Tensor Shift) Tensors(Device? device = null) =>
        (tensor(Enumerable.Range(0, DSae).Select(Scale).ToArray(), device: device), tensor(shift, device: device));

    /// <summary>gamma and d of all latents, <c>[d_sae]</c> each, float64, in the caller's scope: how far each dial went.</summary>
    internal (Tensor Gamma, Tensor Shift) Moves() => (tensor(gamma), tensor(shift).to(ScalarType.Float64));
}
