using System.ComponentModel;

namespace Parsimony.Training;

/// <summary>How an SAE learns. Defaults are the article's wherever it states one.</summary>
public sealed record SaeTrainingOptions
{
    /// <summary>d_sae as a multiple of the activation's width; the article used 4 and 8. Ignored when <see cref="DSae"/> is given. Default 8.</summary>
    [Description("d_sae as a multiple of the activation's width (the article: 4 and 8)")]
    public int ExpansionFactor { get; init; } = 8;

    /// <summary>Number of latents; null: the expansion factor decides.</summary>
    [Description("number of latents, instead of an expansion factor")]
    public int? DSae { get; init; }

    /// <summary>The article's beta, weight of the L1 term. With a target L0 it is where the steering starts.
    /// Its right size goes with the scale of the activations; the article does not state it. Default 0.01.</summary>
    [Description("the article's beta: weight of the L1 term; where steering starts if a target L0 is set")]
    public double L1Coefficient { get; init; } = 0.01;

    /// <summary>Mean active latents per token to steer beta to, as a fraction of d_sae in (0, 1); the article's final version: 0.01.
    /// Null (default): beta stays as it is.</summary>
    [Description("steer beta until this fraction of the latents is active per token (the article's final version: 0.01)")]
    public double? TargetL0Fraction { get; init; }

    /// <summary>Tokens during which beta is left alone before steering starts. Default 5,000,000, the article's.</summary>
    [Description("tokens before beta is steered")]
    public long SteerAfterTokens { get; init; } = 5_000_000;

    /// <summary>Tokens over which the L1 weight grows linearly from 0. Default 0: none.</summary>
    [Description("tokens over which the L1 weight grows from 0")]
    public long L1WarmUpTokens { get; init; }

    /// <summary>Adam's learning rate. Default 1e-4.</summary>
    [Description("Adam's learning rate")]
    public double LearningRate { get; init; } = 1e-4;

    /// <summary>Tokens over which the learning rate grows linearly from 0. Default 0: none.</summary>
    [Description("tokens over which the learning rate grows from 0")]
    public long LearningRateWarmUpTokens { get; init; }

    /// <summary>Tokens at the end over which the learning rate falls linearly to 0. Default 0: none.</summary>
    [Description("tokens at the end over which the learning rate falls to 0")]
    public long LearningRateDecayTokens { get; init; }

    /// <summary>Adam's decay of the gradient's mean. Default 0.9.</summary>
    [Description("Adam's first beta")]
    public double AdamBeta1 { get; init; } = 0.9;

    /// <summary>Adam's decay of the squared gradient's mean. Default 0.999.</summary>
    [Description("Adam's second beta")]
    public double AdamBeta2 { get; init; } = 0.999;

    /// <summary>Added to Adam's denominator, outside the root. Default 1e-8.</summary>
    [Description("Adam's epsilon")]
    public double AdamEpsilon { get; init; } = 1e-8;

    /// <summary>Tokens to train on, rounded up to whole batches; contexts are repeated in a new order when the text is shorter.
    /// Default 20,480,000: the article's first checkpoint, 20,000 steps of 1024.</summary>
    [Description("tokens to train on (text is repeated in a new order when it is shorter)")]
    public long TrainingTokens { get; init; } = 20_480_000;

    /// <summary>How decoder rows are kept at unit norm. Default <see cref="DecoderConstraint.Renormalise"/>.</summary>
    [Description("renormalise | project_and_renormalise")]
    public DecoderConstraint DecoderConstraint { get; init; } = DecoderConstraint.Renormalise;

    /// <summary>Steps between two resamplings of dead latents; 0: never. Default 10,000.</summary>
    [Description("steps between two resamplings of dead latents, 0: never")]
    public long ResampleEverySteps { get; init; } = 10_000;

    /// <summary>A latent is dead when it fired on no token of this many last steps. Default 5,000.</summary>
    [Description("a latent is dead when it did not fire in this many last steps")]
    public long ResampleLookBackSteps { get; init; } = 5_000;

    /// <summary>Steps between two checkpoints; 0: only at the end and when stopped. Default 20,000.</summary>
    [Description("steps between two checkpoints, 0: only at the end and when stopped")]
    public long CheckpointEverySteps { get; init; } = 20_000;

    /// <summary>Steps between two lines of metrics.jsonl. Default 50.</summary>
    [Description("steps between two lines of metrics.jsonl")]
    public int LogEverySteps { get; init; } = 50;

    /// <summary>Seed of the first weights and of resampling. Default 0.</summary>
    [Description("seed of the first weights and of resampling")]
    public long Seed { get; init; }

    /// <summary>The number of latents for activations of a given width.</summary>
    public int LatentsFor(int width) => DSae ?? checked(ExpansionFactor * width);

    /// <summary>Steps needed for <see cref="TrainingTokens"/>.</summary>
    public long StepsFor(int batchTokens) => (TrainingTokens + batchTokens - 1) / batchTokens;

    /// <summary>Returns these options, or says everything that is wrong with them.</summary>
    /// <exception cref="ArgumentException">One or more values are out of range; the message names every fault.</exception>
    public SaeTrainingOptions Validated()
    {
        var faults = new List<string>();
        void Check(bool good, string name, object? value, string allowed)
        {
            if (!good) faults.Add($"{name} is {value ?? "null"}; allowed: {allowed}");
        }
        Check(ExpansionFactor >= 1, "expansion_factor", ExpansionFactor, "1 or more");
        Check(DSae is null or >= 1, "d_sae", DSae, "1 or more");
        Check(L1Coefficient >= 0 && double.IsFinite(L1Coefficient), "l1_coefficient", L1Coefficient, "0 or more");
        Check(TargetL0Fraction is null or (> 0 and < 1), "target_l0_fraction", TargetL0Fraction, "above 0 and below 1");
        Check(TargetL0Fraction is null || L1Coefficient > 0, "l1_coefficient", L1Coefficient, "above 0 when target_l0_fraction is set");
        Check(SteerAfterTokens >= 0, "steer_after_tokens", SteerAfterTokens, "0 or more");
        Check(L1WarmUpTokens >= 0, "l1_warm_up_tokens", L1WarmUpTokens, "0 or more");
        Check(LearningRate > 0 && double.IsFinite(LearningRate), "learning_rate", LearningRate, "above 0");
        Check(LearningRateWarmUpTokens >= 0, "learning_rate_warm_up_tokens", LearningRateWarmUpTokens, "0 or more");
        Check(LearningRateDecayTokens >= 0, "learning_rate_decay_tokens", LearningRateDecayTokens, "0 or more");
        Check(AdamBeta1 is >= 0 and < 1, "adam_beta1", AdamBeta1, "0 to below 1");
        Check(AdamBeta2 is >= 0 and < 1, "adam_beta2", AdamBeta2, "0 to below 1");
        Check(AdamEpsilon > 0, "adam_epsilon", AdamEpsilon, "above 0");
        Check(TrainingTokens >= 1, "training_tokens", TrainingTokens, "1 or more");
        Check(Enum.IsDefined(DecoderConstraint), "decoder_constraint", DecoderConstraint, "renormalise, project_and_renormalise");
        Check(ResampleEverySteps >= 0, "resample_every_steps", ResampleEverySteps, "0 or more");
        Check(ResampleLookBackSteps >= 1, "resample_look_back_steps", ResampleLookBackSteps, "1 or more");
        Check(CheckpointEverySteps >= 0, "checkpoint_every_steps", CheckpointEverySteps, "0 or more");
        Check(LogEverySteps >= 1, "log_every_steps", LogEverySteps, "1 or more");
        return faults.Count == 0 ? this : throw new ArgumentException($"The training options are wrong: {string.Join("; ", faults)}.");
    }
}
