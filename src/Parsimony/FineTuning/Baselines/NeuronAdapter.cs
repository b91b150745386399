using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Baselines;

/// <summary>
/// The dials without an SAE: scale c = 1 + gamma and shift d of the MLP's neurons before the nonlinearity, <c>g(c * h + d)</c> with <c>h</c> at <c>mlp_pre</c>. What the dials do better than this is what
/// the SAE's basis is worth. Of a gated MLP it is the gate that is turned. Born c = 1, d = 0.
/// </summary>
public sealed class NeuronAdapter : IAdapter
{
    private readonly LearntNumbers numbers;
    private readonly IReadOnlyList<int> layers;
    private readonly List<(Tensor Gamma, Tensor Shift, Tensor? Neurons)> dials = [];
    private readonly int dMlp;
    private readonly long seed;

    /// <summary>Newborn dials.</summary>
    /// <param name="model">The model; not owned.</param>
    /// <param name="layers">Layers, 0-based, one or more.</param>
    /// <param name="neurons">How many neurons of each layer have dials, chosen at random; null: all.</param>
    /// <param name="seed">Decides which.</param>
    /// <exception cref="ArgumentException">No layer, or one that the model lacks; more neurons than there are, or none.</exception>
    public NeuronAdapter(Transformer model, IReadOnlyList<int> layers, int? neurons = null, long seed = 0)
    {
        (this.layers, dMlp, this.seed, numbers) = (LearntNumbers.Layers(model, layers), model.Config.DMlp, seed, new LearntNumbers(model.Device));
        Neurons = neurons ?? dMlp;
        if (Neurons < 1 || Neurons > dMlp) throw new ArgumentException($"{neurons} neurons of a layer are to have dials; expected 1 to {dMlp}.", nameof(neurons));
        foreach (int layer in this.layers)
        {
            long[] chosen = [.. Permutation.Draw(dMlp, seed, RandomUse.Neurons, layer).Take(Neurons).Order().Select(n => (long)n)];
            dials.Add((numbers.Zeros($"{At(layer)}.gamma", Neurons), numbers.Zeros($"{At(layer)}.shift", Neurons),
                Neurons == dMlp ? null : tensor(chosen, device: model.Device).DetachFromDisposeScope()));
        }
    }

    /// <inheritdoc/>
    public string Method => "neurons";

    /// <summary>How many neurons of each layer have dials.</summary>
    public int Neurons { get; }

    internal IReadOnlyList<int> Layers => layers;

    internal long Seed => seed;

    /// <inheritdoc/>
    public IReadOnlyList<HookPoint> Hooks => [.. layers.Select(At)];

    /// <summary><c>blocks.1.mlp_pre.gamma</c> and <c>.shift</c>, <c>[neurons]</c>.</summary>
    public IReadOnlyDictionary<string, Tensor> Parameters => numbers.ByName;

    /// <summary>Two for each neuron.</summary>
    public long TrainableParameters => numbers.Count;

    /// <inheritdoc/>
    public TokenPositions Positions { get; init; }

    /// <summary>Which neurons of a layer have dials, in the order of the numbers.</summary>
    /// <exception cref="ArgumentException">It is none of the adapter's layers.</exception>
    public IReadOnlyList<int> NeuronsOf(int layer)
    {
        int place = layers.ToList().IndexOf(layer);
        if (place < 0) throw new ArgumentException($"layer {layer} has no dials; layers with dials: {Words.List(layers)}.", nameof(layer));
        using var noGradient = no_grad();
        return dials[place].Neurons is { } chosen ? [.. chosen.cpu().data<long>().Select(n => (int)n)] : [.. Enumerable.Range(0, dMlp)];
    }

    /// <inheritdoc/>
    public Tap Tap(Tensor? where = null) => PointChanges.Tap(where, layers.Index().ToDictionary(l => At(l.Item), l =>
    {
        var (gamma, shift, neurons) = dials[l.Index];
        return ((Tensor?)Spread(gamma, neurons), (Tensor?)Spread(shift, neurons));
    }));

    /// <inheritdoc/>
    public Tap? Rest() => null;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Identity => new Dictionary<string, string>
    {
        ["method"] = Method,
        ["hooks"] = Words.List(Hooks),
        ["neurons"] = FormattableString.Invariant($"{Neurons}"),
        ["seed"] = Neurons == dMlp ? "none" : FormattableString.Invariant($"{seed}"),
        ["positions"] = Words.Of(Positions),
    };

    // Without dials a neuron's numbers are 0: x * 1 + 0 is x.
    private Tensor Spread(Tensor numbers, Tensor? neurons)
    {
        if (neurons is null) return numbers;
        using var none = zeros(dMlp, device: numbers.device);
        return none.index_add(0, neurons, numbers, 1);
    }

    private static HookPoint At(int layer) => new(layer, HookSite.MlpPre);

    /// <inheritdoc/>
    public void Dispose()
    {
        numbers.Dispose();
        foreach (var (_, _, neurons) in dials) neurons?.Dispose();
    }
}
