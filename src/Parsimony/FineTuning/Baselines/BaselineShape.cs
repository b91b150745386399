using Parsimony.Models;

namespace Parsimony.FineTuning.Baselines;

/// <summary>What a baseline was made with: enough to make a newborn one of the same numbers.</summary>
internal sealed record BaselineShape
{
    /// <summary>As <see cref="IAdapter.Method"/>.</summary>
    public required string Method { get; init; }

    public IReadOnlyList<int> Layers { get; init; } = [];

    public IReadOnlyList<LinearTarget> Targets { get; init; } = [];

    public int? Rank { get; init; }

    public double? Alpha { get; init; }

    public int? Neurons { get; init; }

    public bool? ScaleQueries { get; init; }

    public bool? Norms { get; init; }

    public HookPoint? Hook { get; init; }

    public long Seed { get; init; }

    public TokenPositions Positions { get; init; }

    /// <summary>That of a baseline.</summary>
    /// <exception cref="ArgumentException">It is none that can be kept.</exception>
    public static BaselineShape Of(IAdapter adapter) => adapter switch
    {
        LoraAdapter a => new() { Method = a.Method, Layers = LayersOf(a.Maps), Targets = Kinds(a.Maps), Rank = a.Rank, Alpha = a.Alpha, Seed = a.Seed, Positions = a.Positions },
        Ia3Adapter a => new() { Method = a.Method, Layers = a.Layers, ScaleQueries = a.ScalesQueries, Positions = a.Positions },
        BiasAdapter a => new() { Method = a.Method, Layers = a.Layers, Targets = a.Targets, Norms = a.LearnsNorms, Positions = a.Positions },
        NeuronAdapter a => new() { Method = a.Method, Layers = a.Layers, Neurons = a.Neurons, Seed = a.Seed, Positions = a.Positions },
        SteeringVectorAdapter a => new() { Method = a.Method, Hook = a.Hooks[0], Positions = a.Positions },
        FullAdapter a => new() { Method = a.Method, Layers = a.Layers, Targets = Kinds(a.Maps), Norms = a.LearnsNorms, Positions = a.Positions },
        _ => throw new ArgumentException($"'{adapter.Method}' is no baseline that is kept as an adapter folder; those are lora, ia3, bias, neurons, steering and full.", nameof(adapter)),
    };

    /// <summary>A newborn baseline of this shape.</summary>
    /// <exception cref="ArgumentException">It does not fit the model, or there is no such method.</exception>
    public IAdapter Create(Transformer model) => Method switch
    {
        "lora" => new LoraAdapter(model, Layers, Targets, Rank ?? throw Missing("rank"), Alpha, Seed) { Positions = Positions },
        "ia3" => new Ia3Adapter(model, Layers, ScaleQueries) { Positions = Positions },
        "bias" => new BiasAdapter(model, Layers, Targets, Norms ?? throw Missing("norms")) { Positions = Positions },
        "neurons" => new NeuronAdapter(model, Layers, Neurons, Seed) { Positions = Positions },
        "steering" => new SteeringVectorAdapter(model, Hook ?? throw Missing("hook")) { Positions = Positions },
        "full" => new FullAdapter(model, Layers, Targets, Norms ?? throw Missing("norms")) { Positions = Positions },
        _ => throw new ArgumentException($"the method is '{Method}'; allowed are lora, ia3, bias, neurons, steering and full."),
    };

    private static ArgumentException Missing(string what) => new($"'{what}' is missing.");

    private static IReadOnlyList<int> LayersOf(IEnumerable<LinearMap> maps) => [.. maps.Select(m => m.Layer).Distinct()];

    private static IReadOnlyList<LinearTarget> Kinds(IEnumerable<LinearMap> maps) => [.. maps.Select(m => m.Target).Distinct()];
}
