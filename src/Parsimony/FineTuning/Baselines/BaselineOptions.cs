using System.ComponentModel;
using Parsimony.Training;

namespace Parsimony.FineTuning.Baselines;

/// <summary>What the dials can be compared with.</summary>
public enum BaselineMethod
{
    /// <summary>Nothing else: the dials themselves. The default.</summary>
    Dials,
    /// <summary>Dials on a <see cref="Baselines.RandomDictionary"/> instead of the SAE.</summary>
    RandomDictionary,
    /// <summary><see cref="LoraAdapter"/>.</summary>
    Lora,
    /// <summary><see cref="Ia3Adapter"/>.</summary>
    Ia3,
    /// <summary><see cref="BiasAdapter"/>.</summary>
    Bias,
    /// <summary><see cref="NeuronAdapter"/>.</summary>
    Neurons,
    /// <summary><see cref="SteeringVectorAdapter"/>.</summary>
    Steering,
    /// <summary><see cref="FullAdapter"/>.</summary>
    Full,
}

/// <summary>
/// Which baseline, and how large. Unless told otherwise it learns about as many numbers as the dials do, 2 d_sae: what is not set, rank, neurons or layers, is chosen so that the count comes nearest.
/// </summary>
public sealed record BaselineOptions
{
    /// <summary>What is learnt. Default dials.</summary>
    [Description("what is learned: dials, or to compare them with random_dictionary, lora, ia3, bias, neurons, steering or full")]
    public BaselineMethod Method { get; init; }

    /// <summary>Whether rank, neurons or layers that are not set are chosen for the dials' count of numbers; else they are rank 8, all neurons, the hook's layer. Default true.</summary>
    [Description("choose the rank, neurons or layers that are not set so that about as many numbers are learned as there are dials")]
    public bool EqualParameters { get; init; } = true;

    /// <summary>How many numbers are to be learnt, 1 or more, where <see cref="EqualParameters"/>; null: 2 d_sae. Default null.</summary>
    [Description("how many numbers are to be learned; not set: two for each latent of the SAE")]
    public long? Budget { get; init; }

    /// <summary>Layers, 0-based; null: the hook's, and for ia3, bias, neurons and full further ones above it, then below, while the budget asks for them. Default null.</summary>
    [Description("layers; not set: the hook's, and more where the budget asks for them")]
    public IReadOnlyList<int>? Layers { get; init; }

    /// <summary>lora, bias, full: maps of a layer; null: qkv for lora, as in PEFT, else all. Default null.</summary>
    [Description("lora, bias, full: maps of a layer, of qkv, attn_out, mlp_up, mlp_down; not set: qkv for lora, else all")]
    public IReadOnlyList<LinearTarget>? Targets { get; init; }

    /// <summary>lora: the rank, 1 or more; null: by the budget, else 8, as in PEFT. Default null.</summary>
    [Description("lora: rank; not set: by the budget, else 8")]
    public int? Rank { get; init; }

    /// <summary>lora: what is added is multiplied by alpha / rank; null: alpha is the rank. Default null.</summary>
    [Description("lora: what is added is multiplied by alpha / rank; not set: by 1")]
    public double? Alpha { get; init; }

    /// <summary>neurons: how many of each layer, 1 or more, chosen by the seed; null: by the budget, else all. Default null.</summary>
    [Description("neurons: how many of each layer; not set: by the budget, else all")]
    public int? Neurons { get; init; }

    /// <summary>ia3: whether queries are scaled too; null: as PEFT does for the model's family. Default null.</summary>
    [Description("ia3: scale queries too; not set: as PEFT does for this family")]
    public bool? ScaleQueries { get; init; }

    /// <summary>bias, full: whether the norms are learnt too; null: by full, not by bias. Default null.</summary>
    [Description("bias, full: learn the norms too; not set: by full, not by bias")]
    public bool? Norms { get; init; }

    /// <summary>Decides LoRA's A and which neurons. Default 0.</summary>
    [Description("seed of what is drawn at birth")]
    public long Seed { get; init; }

    /// <summary>These options, checked.</summary>
    /// <exception cref="ArgumentException">Names every fault at once.</exception>
    public BaselineOptions Validated()
    {
        var faults = new OptionFaults();
        faults.Check(Enum.IsDefined(Method), "method", Method, "dials, random_dictionary, lora, ia3, bias, neurons, steering or full");
        faults.Check(Budget is null or >= 1, "budget", Budget, "1 or more");
        faults.Check(Budget is null || EqualParameters, "budget", Budget, "not set where equal_parameters is false");
        faults.Check(Layers is not { Count: 0 } && Layers?.All(l => l >= 0) != false, "layers", Layers is null ? null : $"[{Words.List(Layers)}]", "one or more, each 0 or more");
        faults.Check(Targets is not { Count: 0 } && Targets?.All(Enum.IsDefined) != false, "targets", Targets is null ? null : $"[{Words.List(Targets)}]", "one or more of qkv, attn_out, mlp_up, mlp_down");
        faults.Check(Rank is null or >= 1, "rank", Rank, "1 or more");
        faults.Check(Alpha is not { } alpha || (double.IsFinite(alpha) && alpha > 0), "alpha", Alpha, "above 0");
        faults.Check(Neurons is null or >= 1, "neurons", Neurons, "1 or more");
        void Only(bool given, string name, object? value, params BaselineMethod[] methods) =>
            faults.Check(!given || methods.Contains(Method), name, value, $"not set with {Words.Of(Method)}; it is for {Words.List(methods.Select(Words.Of))}");
        Only(Targets is not null, "targets", Targets is null ? null : $"[{Words.List(Targets.Select(Words.Of))}]", BaselineMethod.Lora, BaselineMethod.Bias, BaselineMethod.Full);
        Only(Rank is not null, "rank", Rank, BaselineMethod.Lora);
        Only(Alpha is not null, "alpha", Alpha, BaselineMethod.Lora);
        Only(Neurons is not null, "neurons", Neurons, BaselineMethod.Neurons);
        Only(ScaleQueries is not null, "scale_queries", ScaleQueries, BaselineMethod.Ia3);
        Only(Norms is not null, "norms", Norms, BaselineMethod.Bias, BaselineMethod.Full);
        Only(Layers is not null, "layers", Layers is null ? null : $"[{Words.List(Layers)}]", [.. Enum.GetValues<BaselineMethod>().Where(m => m > BaselineMethod.RandomDictionary && m != BaselineMethod.Steering)]);
        faults.ThrowIfAny("the options of the baseline");
        return this;
    }
}
