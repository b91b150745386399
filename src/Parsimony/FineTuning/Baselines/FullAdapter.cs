using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Parsimony.FineTuning.Baselines;

/// <summary>
/// Full fine-tuning of some layers: for every map a dense change of its matrix, added as <c>x dW^T + db</c>, and for every norm of gain and bias. All are born at 0. The changes lie beside the frozen
/// weights, so a quantised model can be learnt on; they take as much memory as the layer in float32, their gradients and moments three times as much.
/// </summary>
/// <remarks>
/// A norm's output y becomes <c>y (1 + gamma) + beta</c>: gain and bias g, b become <c>g (1 + gamma)</c> and <c>b (1 + gamma) + beta</c>. Those are the models that learning g and b reaches, but not the same steps.
/// What is frozen nevertheless is named by <see cref="NotCovered"/>.
/// </remarks>
public sealed class FullAdapter : IAdapter
{
    private readonly LearntNumbers numbers;
    private readonly IReadOnlyList<int> layers;
    private readonly IReadOnlyList<LinearMap> maps;
    private readonly List<(Tensor Weight, Tensor? Bias)> deltas = [];
    private readonly Dictionary<HookPoint, (Tensor Gamma, Tensor? Beta)> norms = [];
    private readonly bool isGated;

    /// <summary>A newborn adapter.</summary>
    /// <param name="model">The model; not owned.</param>
    /// <param name="layers">Layers, 0-based, one or more.</param>
    /// <param name="targets">Maps of each layer; null: all.</param>
    /// <param name="learnsNorms">Whether the norms are learnt too.</param>
    /// <exception cref="ArgumentException">No layer, or one that the model lacks; nothing that is learnt.</exception>
    public FullAdapter(Transformer model, IReadOnlyList<int> layers, IReadOnlyList<LinearTarget>? targets = null, bool learnsNorms = true)
    {
        this.layers = LearntNumbers.Layers(model, layers);
        if (targets is [] && !learnsNorms) throw new ArgumentException("neither a target nor the norms are to be learnt; expected one or more.", nameof(targets));
        var config = model.Config;
        (maps, isGated, numbers) = (LinearMap.Of(this.layers, targets ?? LinearMap.AllTargets), config.GatedMlp, new LearntNumbers(model.Device));
        foreach (int layer in this.layers)
        {
            foreach (var map in maps.Where(m => m.Layer == layer))
                deltas.Add((numbers.Zeros(map.Name("weight"), map.Outputs(config), map.Inputs(config)), map.HasBias(config) ? numbers.Zeros(map.Name("bias"), map.Outputs(config)) : null));
            if (!learnsNorms) continue;
            foreach (var at in (HookPoint[])[new(layer, HookSite.AttnIn), new(layer, HookSite.MlpIn)])
                norms[at] = (numbers.Zeros($"{at}.gamma", config.DModel), config is LlamaConfig ? null : numbers.Zeros($"{at}.beta", config.DModel)); // an RMS norm has no bias
        }
    }

    /// <inheritdoc/>
    public string Method => "full";

    internal IReadOnlyList<LinearMap> Maps => maps;

    internal IReadOnlyList<int> Layers => layers;

    internal bool LearnsNorms => norms.Count > 0;

    /// <inheritdoc/>
    public IReadOnlyList<HookPoint> Hooks => [.. maps.SelectMany(m => (HookPoint[])[m.From, m.To]).Concat(norms.Keys).Distinct().OrderBy(at => (at.Layer, at.Site))];

    /// <inheritdoc/>
    public IReadOnlyList<HookPoint> Reads => [.. maps.Select(m => m.From)];

    /// <summary><c>blocks.1.qkv.weight</c>, <c>[out, in]</c>, <c>blocks.1.qkv.bias</c>, ..., <c>blocks.1.attn_in.gamma</c>, <c>.beta</c>, <c>[d_model]</c>.</summary>
    public IReadOnlyDictionary<string, Tensor> Parameters => numbers.ByName;

    /// <inheritdoc/>
    public long TrainableParameters => numbers.Count;

    /// <inheritdoc/>
    public TokenPositions Positions { get; init; }

    /// <summary>Weights that full fine-tuning would change and this does not: what lies outside the layers, and of a gated MLP the second branch (<c>up_proj</c>), whose output is not at the seam.</summary>
    public IReadOnlyList<string> NotCovered => ["embedding", "final norm", "unembedding", .. isGated ? (string[])["second branch of the gated MLP"] : []];

    /// <inheritdoc/>
    public Tap Tap(Tensor? where = null)
    {
        var adding = LinearMap.Adding(maps, where, (i, x) => deltas[i].Bias is { } bias ? linear(x, deltas[i].Weight, bias) : linear(x, deltas[i].Weight));
        return (at, x) => adding(at, norms.TryGetValue(at, out var norm) ? Normed(where, x, norm) : x);
    }

    private static Tensor Normed(Tensor? where, Tensor y, (Tensor Gamma, Tensor? Beta) norm)
    {
        using var scope = NewDisposeScope();
        var turned = y * (1 + norm.Gamma);
        return LinearMap.Where(where, y, norm.Beta is null ? turned : turned + norm.Beta).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public Tap? Rest() => null;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Identity => new Dictionary<string, string>
    {
        ["method"] = Method,
        ["maps"] = Words.List(maps.Select(m => m.Name("weight"))),
        ["norms"] = Words.List(norms.Keys),
        ["positions"] = Words.Of(Positions),
    };

    /// <inheritdoc/>
    public void Dispose() => numbers.Dispose();
}
