using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Analysis;

/// <summary>An example and how hard it pulls.</summary>
/// <param name="Example">Index of the example in the objective.</param>
/// <param name="Pull">What it adds to the objective's slope along the way the feature's dials went, at rest; above 0: it pushed the feature that way.</param>
/// <param name="Share">Its size / the sum of the sizes of all examples' pulls at this feature.</param>
public sealed record ExamplePull(int Example, double Pull, double Share);

/// <summary>Who moved a feature: the examples that pulled it the way it went, and those that pulled against it.</summary>
/// <param name="Latent">Index of the latent.</param>
/// <param name="Pulling">How many examples pull at it at all.</param>
/// <param name="For">Those that pushed it most, strongest first.</param>
/// <param name="Against">Those that pulled it back most, strongest first.</param>
public sealed record Influence(int Latent, int Pulling, IReadOnlyList<ExamplePull> For, IReadOnlyList<ExamplePull> Against)
{
    /// <summary>Finds them: one forward and one backward pass over the examples.</summary>
    /// <param name="seam">Model and SAE.</param>
    /// <param name="change">The dials.</param>
    /// <param name="learntFrom">The objective over what was learnt from.</param>
    /// <param name="latents">The features.</param>
    /// <param name="most">Examples on each side at most.</param>
    /// <param name="batchSize">Examples at a time.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    public static IReadOnlyList<Influence> Measure(
        DialSeam seam, DialChange change, IObjective learntFrom, IReadOnlyList<int> latents, int most = 5, int batchSize = 8, CancellationToken cancellation = default)
    {
        using var gradients = ExampleGradients.At(seam, learntFrom, DialChange.None(change.DSae), batchSize, ExampleGradients.Weighted(learntFrom), cancellation);
        return Of(gradients, change, learntFrom, latents, most);
    }

    internal static IReadOnlyList<Influence> Of(ExampleGradients gradients, DialChange change, IObjective learntFrom, IReadOnlyList<int> latents, int most)
    {
        if (latents.Count == 0) return [];
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var (gamma, shift) = change.Moves();
        var (scalePull, shiftPull) = gradients.Total();
        var chosen = tensor(latents.Select(l => (long)l).ToArray());
        Tensor Those(Tensor x) => x.index_select(-1, chosen);
        var pulls = (Those(scalePull) * Those(gamma) + Those(shiftPull) * Those(shift)) * (learntFrom.HigherIsBetter ? 1 : -1);
        double[] flat = pulls.t().contiguous().data<double>().ToArray();              // [latents, examples]
        int n = learntFrom.Examples;
        return [.. latents.Select((latent, row) =>
        {
            double[] own = flat[(row * n)..((row + 1) * n)];
            double size = own.Sum(Math.Abs);
            IEnumerable<ExamplePull> Side(int sign) => Enumerable.Range(0, n).Where(i => own[i] * sign > 0).OrderByDescending(i => own[i] * sign)
                .Take(most).Select(i => new ExamplePull(i, own[i], Math.Abs(own[i]) / size));
            return new Influence(latent, own.Count(p => p != 0), [.. Side(1)], [.. Side(-1)]);
        })];
    }
}
