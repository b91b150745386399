using Parsimony.Autoencoders;
using Parsimony.Models;
using Parsimony.Splicing;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning;

/// <summary>
/// The two vectors that fine-tuning learns, one number of each per latent: scale c and shift d in
/// <c>f = relu(c * ((x - b_dec) W_enc + b_enc) + d)</c> (the article). The scale is held as <c>c = 1 + gamma</c>, so that
/// gamma = 0, d = 0 is the identity and decay draws toward it. A latent that is off on all data has no gradient: dials cannot wake it.
/// </summary>
public sealed class FeatureDials : IDisposable
{
    /// <summary>Identity dials, which change nothing.</summary>
    /// <param name="at">The hook point of the SAE.</param>
    /// <param name="dSae">Number of latents, 1 or more.</param>
    /// <param name="device">Where they live, with the SAE; null: the processor.</param>
    public FeatureDials(HookPoint at, int dSae, Device? device = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(dSae, 1);
        At = at;
        Gamma = Parameter(zeros(dSae, device: device ?? CPU));
        Delta = Parameter(zeros(dSae, device: device ?? CPU));
    }

    private FeatureDials(HookPoint at, Tensor gamma, Tensor delta) => (At, Gamma, Delta) = (at, gamma, delta);

    /// <summary>Dials with given values, which are copied.</summary>
    /// <param name="at">The hook point of the SAE.</param>
    /// <param name="scale">c, <c>[d_sae]</c>.</param>
    /// <param name="shift">d, <c>[d_sae]</c>.</param>
    /// <exception cref="ArgumentException">The two are not float32 vectors of one length.</exception>
    public static FeatureDials Of(HookPoint at, Tensor scale, Tensor shift)
    {
        if (scale.dim() != 1 || shift.dim() != 1 || scale.size(0) != shift.size(0)
            || scale.dtype != ScalarType.Float32 || shift.dtype != ScalarType.Float32) throw new ArgumentException(
                $"scale is {scale.dtype} [{string.Join(", ", scale.shape)}] and shift {shift.dtype} [{string.Join(", ", shift.shape)}]; "
                + "expected two Float32 vectors of one length, [d_sae].");
        using var noGradient = no_grad();
        return new FeatureDials(at, Parameter(scale - 1), Parameter(shift.clone()));
    }

    /// <summary>Where the SAE and its dials sit.</summary>
    public HookPoint At { get; }

    /// <summary>c - 1, <c>[d_sae]</c>, float32, with gradient; 0 at birth. Owned by this object.</summary>
    public Tensor Gamma { get; }

    /// <summary>d in its unit, <c>[d_sae]</c>, float32, with gradient; 0 at birth. Owned by this object.</summary>
    public Tensor Delta { get; }

    /// <summary>What a shift is counted in, <c>[d_sae]</c>, above 0; null: 1, so that <see cref="Delta"/> is d itself. Owned by this object.</summary>
    public Tensor? Unit { get; private set; }

    /// <summary>Number of latents.</summary>
    public int DSae => (int)Gamma.size(0);

    /// <summary>How many numbers are learnt: 2 d_sae.</summary>
    public int TrainableParameters => 2 * DSae;

    /// <summary>c = 1 + gamma, <c>[d_sae]</c>, a new tensor through which the gradient of gamma flows.</summary>
    public Tensor Scale() => 1 + Gamma;

    /// <summary>d, <c>[d_sae]</c>, a new tensor through which the gradient of <see cref="Delta"/> flows.</summary>
    public Tensor Shift() => Unit is null ? Delta.alias() : Delta * Unit;

    /// <summary>Counts shifts in another unit from here on. Only dials whose shifts are at rest may change it.</summary>
    /// <param name="unit"><c>[d_sae]</c>, above 0; copied.</param>
    /// <exception cref="InvalidOperationException">A shift is not 0.</exception>
    public void CountShiftIn(Tensor unit)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        if (Delta.count_nonzero().item<long>() > 0) throw new InvalidOperationException("the shifts are not at rest; their unit is chosen before they are learned.");
        Unit?.Dispose();
        Unit = unit.clone().DetachFromDisposeScope();
    }

    /// <summary>The SAE spliced in with these dials, as they are now; made anew after each change.</summary>
    /// <param name="sae">The SAE.</param>
    /// <param name="mode">How.</param>
    /// <param name="where">Bool, <c>[batch, seq]</c>: the tokens at which they act; null: all.</param>
    public Tap Splice(ISparseAutoencoder sae, SpliceMode mode, Tensor? where = null) => Taps.Splice(At, sae, mode, Scale(), Shift(), where);

    // The one place where trainable tensors are made: born without history and outside every dispose scope.
    internal static Tensor Parameter(Tensor value)
    {
        using (value) return value.detach().requires_grad_().DetachFromDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Gamma.Dispose();
        Delta.Dispose();
        Unit?.Dispose();
    }
}
