using Parsimony.Models;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Baselines;

/// <summary>
/// BitFit (Ben Zaken et al. 2022, arXiv 2106.10199): only biases are learnt. A number is added to each output of each map, and to each output of each norm; where the model has a bias that is its
/// change, where it has none (Llama) it is a new one. Born 0.
/// </summary>
public sealed class BiasAdapter : IAdapter
{
    private readonly LearntNumbers numbers;
    private readonly Dictionary<HookPoint, (Tensor? Gamma, Tensor? Shift)> shifts = [];

    /// <summary>A newborn adapter.</summary>
    /// <param name="model">The model; not owned.</param>
    /// <param name="layers">Layers, 0-based, one or more.</param>
    /// <param name="targets">Maps of each layer; null: all.</param>
    /// <param name="learnsNorms">Whether the norms' biases are learnt too.</param>
    /// <exception cref="ArgumentException">No layer, or one that the model lacks; nothing that is learnt.</exception>
    public BiasAdapter(Transformer model, IReadOnlyList<int> layers, IReadOnlyList<LinearTarget>? targets = null, bool learnsNorms = false)
    {
        var all = LearntNumbers.Layers(model, layers);
        if (targets is [] && !learnsNorms) throw new ArgumentException("neither a target nor the norms are to be learnt; expected one or more.", nameof(targets));
        numbers = new LearntNumbers(model.Device);
        var points = LinearMap.Of(all, targets ?? LinearMap.AllTargets).Select(m => m.To);
        if (learnsNorms) points = points.Concat(all.SelectMany(layer => (HookPoint[])[new(layer, HookSite.AttnIn), new(layer, HookSite.MlpIn)]));
        foreach (var at in points.OrderBy(at => (at.Layer, at.Site))) shifts[at] = (null, numbers.Zeros($"{at}.bias", model.Width(at.Site)));
    }

    /// <inheritdoc/>
    public string Method => "bias";

    internal IReadOnlyList<int> Layers => [.. shifts.Keys.Select(at => at.Layer).Distinct()];

    internal IReadOnlyList<LinearTarget> Targets => [.. LinearMap.AllTargets.Where(t => shifts.ContainsKey(new LinearMap(Layers[0], t).To))];

    internal bool LearnsNorms => shifts.Keys.Any(at => at.Site is HookSite.AttnIn);

    /// <inheritdoc/>
    public IReadOnlyList<HookPoint> Hooks => [.. shifts.Keys];

    /// <summary><c>blocks.1.attn_qkv.bias</c>, <c>[width]</c>, ...</summary>
    public IReadOnlyDictionary<string, Tensor> Parameters => numbers.ByName;

    /// <inheritdoc/>
    public long TrainableParameters => numbers.Count;

    /// <inheritdoc/>
    public TokenPositions Positions { get; init; }

    /// <inheritdoc/>
    public Tap Tap(Tensor? where = null) => PointChanges.Tap(where, shifts);

    /// <inheritdoc/>
    public Tap? Rest() => null;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Identity => new Dictionary<string, string> { ["method"] = Method, ["hooks"] = Words.List(Hooks), ["positions"] = Words.Of(Positions) };

    /// <inheritdoc/>
    public void Dispose() => numbers.Dispose();
}
