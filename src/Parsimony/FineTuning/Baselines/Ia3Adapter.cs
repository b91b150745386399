using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Baselines;

/// <summary>
/// (IA)^3 (Liu et al. 2022, arXiv 2205.05638, section 3.3): keys, values and what goes into the MLP's last map are scaled, number by number. A scale is born 1 and held as <c>1 + gamma</c>, like c of
/// the dials: gamma is what is learnt, what the decay draws to 0 and what files hold; PEFT's <c>ia3_l</c> is 1 + gamma.
/// </summary>
/// <remarks>PEFT scales the whole output of the joint projection of GPT-NeoX and GPT-2, queries included; of Llama's kind, where they are maps apart, keys and values only.</remarks>
public sealed class Ia3Adapter : IAdapter
{
    private readonly LearntNumbers numbers;
    private readonly IModelConfig config;
    private readonly IReadOnlyList<int> layers;

    /// <summary>A newborn adapter.</summary>
    /// <param name="model">The model; not owned.</param>
    /// <param name="layers">Layers, 0-based, one or more.</param>
    /// <param name="scalesQueries">Whether queries are scaled too; null: as PEFT does for this family.</param>
    /// <exception cref="ArgumentException">No layer, or one that the model lacks.</exception>
    public Ia3Adapter(Transformer model, IReadOnlyList<int> layers, bool? scalesQueries = null)
    {
        (this.layers, config, numbers) = (LearntNumbers.Layers(model, layers), model.Config, new LearntNumbers(model.Device));
        ScalesQueries = scalesQueries ?? config is not LlamaConfig;
        foreach (int layer in this.layers)
        {
            numbers.Zeros(Name(Heads(layer)), ScalesQueries ? config.Width(HookSite.AttnQkv) : 2 * config.NKvHeads * config.DHead);
            numbers.Zeros(Name(Hidden(layer)), config.DMlp);
        }
    }

    /// <inheritdoc/>
    public string Method => "ia3";

    /// <summary>Whether queries are scaled beside keys and values.</summary>
    public bool ScalesQueries { get; }

    internal IReadOnlyList<int> Layers => layers;

    /// <inheritdoc/>
    public IReadOnlyList<HookPoint> Hooks => [.. layers.SelectMany(layer => (HookPoint[])[Heads(layer), Hidden(layer)])];

    /// <summary><c>blocks.1.attn_qkv.gamma</c>, in the order of the model's own rows, without the queries' where they are not scaled, and <c>blocks.1.mlp_post.gamma</c>, <c>[d_mlp]</c>.</summary>
    public IReadOnlyDictionary<string, Tensor> Parameters => numbers.ByName;

    /// <inheritdoc/>
    public long TrainableParameters => numbers.Count;

    /// <inheritdoc/>
    public TokenPositions Positions { get; init; }

    /// <inheritdoc/>
    public Tap Tap(Tensor? where = null)
    {
        var changes = new Dictionary<HookPoint, (Tensor?, Tensor?)>();
        foreach (int layer in layers)
        {
            changes[Heads(layer)] = (Spread(Parameters[Name(Heads(layer))]), null);
            changes[Hidden(layer)] = (Parameters[Name(Hidden(layer))], null);
        }
        return PointChanges.Tap(where, changes);
    }

    /// <inheritdoc/>
    public Tap? Rest() => null;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Identity => new Dictionary<string, string>
    {
        ["method"] = Method,
        ["hooks"] = Words.List(Hooks),
        ["queries"] = ScalesQueries ? "yes" : "no",
        ["positions"] = Words.Of(Positions),
    };

    /// <summary>Gamma of keys and values to gamma of all rows, 0 at the queries'.</summary>
    private Tensor Spread(Tensor gamma)
    {
        if (ScalesQueries) return gamma;
        int heads = config.NHeads, head = config.DHead;
        using var scope = NewDisposeScope();
        var all = config.HeadOrder == HeadOrder.ByHead
            ? cat([zeros(heads, head, device: gamma.device), gamma.view(heads, 2 * head)], 1).view(-1)
            : cat([zeros(heads * head, device: gamma.device), gamma], 0);
        return all.MoveToOuterDisposeScope();
    }

    private static HookPoint Heads(int layer) => new(layer, HookSite.AttnQkv);

    private static HookPoint Hidden(int layer) => new(layer, HookSite.MlpPost);

    private static string Name(HookPoint at) => $"{at}.gamma";

    /// <inheritdoc/>
    public void Dispose() => numbers.Dispose();
}
