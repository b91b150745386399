using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning;

/// <summary>An adapter with all that moves it, whatever the gradient comes from: AdamW on each of its parameters, and what the adapter itself allows.</summary>
internal sealed class AdapterOptimiser : IDisposable
{
    private readonly IAdapter adapter;
    private readonly double learningRate;
    private readonly List<(string Name, AdamW Optimiser)> optimisers;

    public AdapterOptimiser(IAdapter adapter, double learningRate, double weightDecay)
    {
        (this.adapter, this.learningRate) = (adapter, learningRate);
        Parameters = [.. adapter.Parameters.Values];
        optimisers = [.. adapter.Parameters.Select(p => (p.Key, new AdamW(p.Value, learningRate, weightDecay, adapter.DecayToward(p.Key))))];
    }

    /// <summary>Whose numbers they are.</summary>
    public IAdapter Adapter => adapter;

    /// <summary>What is learnt, in the order of the gradients.</summary>
    public IList<Tensor> Parameters { get; }

    /// <summary>Steps made; with <see cref="Tensors"/> the whole state.</summary>
    public long Steps
    {
        get => optimisers[0].Optimiser.Steps;
        set
        {
            foreach (var (_, optimiser) in optimisers) optimiser.Steps = value;
        }
    }

    /// <summary>One step down the gradients, which are changed.</summary>
    /// <param name="gradients">In the order of <see cref="Parameters"/>.</param>
    /// <param name="maxNorm">All together are shortened to this length where they are longer; null: never.</param>
    /// <returns>Their length before that, of what may move; a scalar in the caller's scope.</returns>
    public Tensor Step(IList<Tensor> gradients, double? maxNorm = null)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        adapter.Restrain([.. gradients]);
        var norm = gradients.Select(g => g.square().sum()).Aggregate((a, b) => a + b).sqrt();
        if (maxNorm is { } most)
        {
            var shortened = (most / (norm + 1e-6)).clamp_max(1);
            foreach (var g in gradients) g.mul_(shortened);
        }
        foreach (var ((_, optimiser), gradient) in optimisers.Zip(gradients)) optimiser.Step(gradient);
        adapter.Settle(learningRate);
        return norm.MoveToOuterDisposeScope();
    }

    /// <summary>How far the adapter is from rest, as log lines say it: root mean squares of its scales less 1, of its shifts and of all it learns, and the latents whose dials moved.</summary>
    public (double? Gamma, double? Shift, double All, long? LatentsChanged) Distance() =>
        (RootMeanSquare(".gamma"), RootMeanSquare(".shift"), RootMeanSquare("")!.Value, (adapter as DialAdapter)?.LatentsChanged);

    // Of all parameters whose name ends so; null: there is none.
    private double? RootMeanSquare(string ending)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Tensor[] these = [.. adapter.Parameters.Where(p => p.Key.EndsWith(ending, StringComparison.Ordinal)).Select(p => p.Value)];
        return these.Length == 0 ? null : Math.Sqrt(these.Sum(t => t.square().sum(ScalarType.Float64).item<double>()) / these.Sum(t => t.numel()));
    }

    /// <summary>Everything but <see cref="Steps"/>, by the names of a checkpoint; the tensors stay this object's and may be copied into.</summary>
    public Dictionary<string, Tensor> Tensors()
    {
        var all = new Dictionary<string, Tensor>(adapter.Parameters);
        foreach (var (name, optimiser) in optimisers) (all[$"{name}.exp_avg"], all[$"{name}.exp_avg_sq"]) = (optimiser.FirstMoment, optimiser.SecondMoment);
        return all;
    }

    public void Dispose()
    {
        foreach (var (_, optimiser) in optimisers) optimiser.Dispose();
    }
}
