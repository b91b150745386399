using System.ComponentModel;
using Parsimony.Training;

namespace Parsimony.FineTuning.Analysis;

/// <summary>How the continuations behind a <see cref="RolloutObjective"/> are sampled.</summary>
public sealed record RolloutObjectiveOptions
{
    /// <summary>Continuations, half of them of the reference and half of the tuned model; 2 or more. Default 256.</summary>
    [Description("continuations to analyse, half of the model without the dials and half with them")]
    public int Continuations { get; init; } = 256;

    /// <summary>The most tokens of a continuation, 1 or more. Default 32.</summary>
    [Description("most tokens of a continuation")]
    public int MaxNewTokens { get; init; } = 32;

    /// <summary>Divides the logits; above 0. Default 1.</summary>
    [Description("divides the logits, when sampling as when weighing")]
    public double Temperature { get; init; } = 1;

    /// <summary>What a nat of KL per continuation costs, 0 or more; that of the run. Default 0.05.</summary>
    [Description("what a nat of KL to the model without dials costs, in units of the reward")]
    public double KlCoefficient { get; init; } = 0.05;

    /// <summary>Continuations sampled and scored together, 1 or more. Default 32.</summary>
    [Description("continuations sampled together")]
    public int BatchSize { get; init; } = 32;

    /// <summary>Decides every token. Default 0.</summary>
    [Description("seed of the continuations")]
    public long Seed { get; init; }

    /// <summary>These options, checked.</summary>
    /// <exception cref="ArgumentException">Names every fault.</exception>
    public RolloutObjectiveOptions Validated()
    {
        var faults = new OptionFaults();
        faults.Check(Continuations >= 2, "continuations", Continuations, "2 or more");
        faults.Check(MaxNewTokens >= 1, "max_new_tokens", MaxNewTokens, "1 or more");
        faults.Check(Temperature > 0 && double.IsFinite(Temperature), "temperature", Temperature, "above 0");
        faults.Check(KlCoefficient >= 0 && double.IsFinite(KlCoefficient), "kl_coefficient", KlCoefficient, "0 or more");
        faults.Check(BatchSize >= 1, "batch_size", BatchSize, "1 or more");
        faults.ThrowIfAny("the options of the continuations");
        return this;
    }
}
