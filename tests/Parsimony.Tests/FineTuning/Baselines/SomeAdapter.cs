using Parsimony.FineTuning;
using Parsimony.FineTuning.Baselines;
using Parsimony.Models;
using Parsimony.Tests.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Baselines;

/// <summary>One adapter of every kind, on layers 0 and 2 where it has layers.</summary>
internal static class SomeAdapter
{
    public static readonly string[] Kinds = ["lora", "ia3", "ia3 without queries", "ia3 with queries", "bias", "neurons", "some neurons", "steering", "full"];

    private static readonly int[] Layers = [0, 2];

    public static IAdapter Make(string kind, Transformer model, TokenPositions positions = TokenPositions.All) => kind switch
    {
        "lora" => new LoraAdapter(model, Layers, Enum.GetValues<LinearTarget>(), rank: 3, alpha: 6, seed: 4) { Positions = positions },
        "ia3" => new Ia3Adapter(model, Layers) { Positions = positions },
        "ia3 without queries" => new Ia3Adapter(model, Layers, scalesQueries: false) { Positions = positions },
        "ia3 with queries" => new Ia3Adapter(model, Layers, scalesQueries: true) { Positions = positions },
        "bias" => new BiasAdapter(model, Layers, learnsNorms: true) { Positions = positions },
        "neurons" => new NeuronAdapter(model, Layers) { Positions = positions },
        "some neurons" => new NeuronAdapter(model, Layers, neurons: 5, seed: 2) { Positions = positions },
        "steering" => new SteeringVectorAdapter(model, new HookPoint(0, HookSite.AttnZ)) { Positions = positions },
        _ => new FullAdapter(model, Layers) { Positions = positions },
    };

    /// <summary>The same, after it has learnt something.</summary>
    public static IAdapter Learnt(string kind, Transformer model, double size = 0.1)
    {
        var adapter = Make(kind, model);
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        using var generator = new Generator(21, CPU);
        foreach (var numbers in adapter.Parameters.Values) numbers.add_(randn(numbers.shape, generator: generator) * size);
        return adapter;
    }

    /// <summary>A model of a family, or the sequential GPT-NeoX.</summary>
    public static Transformer Model(string family) => family == "sequential" ? Some.Model(parallel: false) : SomeFamily.Model(family);

    public static readonly string[] Families = ["sequential", .. SomeFamily.All];
}
