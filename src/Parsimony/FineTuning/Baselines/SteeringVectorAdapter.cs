using Parsimony.Models;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Baselines;

/// <summary>One vector that is added to the activation at a hook point, the same at every token; learnt, not taken from contrasts. Born 0.</summary>
public sealed class SteeringVectorAdapter : IAdapter
{
    private readonly LearntNumbers numbers;
    private readonly HookPoint at;

    /// <summary>A newborn vector.</summary>
    /// <param name="model">The model; not owned.</param>
    /// <param name="at">Where it is added.</param>
    /// <exception cref="ArgumentException">The model lacks the layer.</exception>
    public SteeringVectorAdapter(Transformer model, HookPoint at)
    {
        LearntNumbers.Layers(model, [at.Layer]);
        (this.at, numbers) = (at, new LearntNumbers(model.Device));
        Vector = numbers.Zeros($"{at}.vector", model.Width(at.Site));
    }

    /// <inheritdoc/>
    public string Method => "steering";

    /// <summary>What is added, <c>[width]</c>; owned by this object.</summary>
    public Tensor Vector { get; }

    /// <inheritdoc/>
    public IReadOnlyList<HookPoint> Hooks => [at];

    /// <summary><c>blocks.1.mlp_out.vector</c>.</summary>
    public IReadOnlyDictionary<string, Tensor> Parameters => numbers.ByName;

    /// <inheritdoc/>
    public long TrainableParameters => numbers.Count;

    /// <inheritdoc/>
    public TokenPositions Positions { get; init; }

    /// <inheritdoc/>
    public Tap Tap(Tensor? where = null) => PointChanges.Tap(where, new Dictionary<HookPoint, (Tensor?, Tensor?)> { [at] = (null, Vector) });

    /// <inheritdoc/>
    public Tap? Rest() => null;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Identity => new Dictionary<string, string> { ["method"] = Method, ["hooks"] = at.ToString(), ["positions"] = Words.Of(Positions) };

    /// <inheritdoc/>
    public void Dispose() => numbers.Dispose();
}
