using System.ComponentModel;
using Parsimony.Training;

namespace Parsimony.Exploration.Labels;

/// <summary>How labels are made and scored.</summary>
public sealed record LabellingOptions
{
    /// <summary>Look for n-gram patterns too, for which the model runs on edited contexts; default true.</summary>
    [Description("look for n-gram patterns too, for which the model runs on edited contexts")]
    public bool Patterns { get; init; } = true;

    /// <summary>Windows without the latent that a label is scored on, at most; half of them where latents like it fire, half from anywhere. 2 to 1000, default 16.</summary>
    [Description("windows without the latent to score on, half of them hard ones from its neighbours")]
    public int SilentWindows { get; init; } = 16;

    /// <summary>Contexts of the text that windows without the latent are drawn from; 1 or more, default 64.</summary>
    [Description("contexts of the text that windows without the latent are drawn from")]
    public int PoolContexts { get; init; } = 64;

    /// <summary>Seed of these draws. Default 0.</summary>
    [Description("seed of the windows")]
    public long Seed { get; init; }

    /// <summary>The methods that are used.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public IReadOnlyList<LabelMethod> Methods => Patterns ? [LabelMethod.Tokens, LabelMethod.Pattern] : [LabelMethod.Tokens];

    /// <summary>These options, or one error that names every fault.</summary>
    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    public LabellingOptions Validated()
    {
        var faults = new OptionFaults();
        faults.Check(SilentWindows is >= 2 and <= 1000, "silent_windows", SilentWindows, "2 to 1000");
        faults.Check(PoolContexts >= 1, "pool_contexts", PoolContexts, "1 or more");
        faults.ThrowIfAny("The options of labels");
        return this;
    }
}
