using System.ComponentModel;

namespace Parsimony.Training;

/// <summary>How an SAE learns. Defaults are the article's wherever it states one.</summary>
public sealed record SaeTrainingOptions
{
    /// <summary>What is trained. Default <see cref="SaeArchitecture.Standard"/>, the article's.</summary>
    [Description("standard (the article's) | topk | batchtopk | matryoshka_batchtopk | jumprelu | gated | transcoder")]
    public SaeArchitecture Architecture { get; init; }

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

    /// <summary>The same as a number of latents per token, instead of a fraction. For JumpReLU either is the target in its loss, from the first step. Null (default): none.</summary>
    [Description("the same as a number of latents per token; for jumprelu it is part of the loss")]
    public double? TargetL0 { get; init; }

    /// <summary>Tokens during which beta is left alone before steering starts. Default 5,000,000, the article's.</summary>
    [Description("tokens before beta is steered")]
    public long SteerAfterTokens { get; init; } = 5_000_000;

    /// <summary>Tokens over which the weight of the sparsity term (L1, or JumpReLU's) grows linearly from 0. Default 0: none.</summary>
    [Description("tokens over which the weight of the sparsity term grows from 0")]
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

    /// <summary>What is done about the length of decoder rows. Default <see cref="DecoderConstraint.Renormalise"/>.</summary>
    [Description("renormalise | project_and_renormalise | renormalise_before | free (then L1 is weighted by the rows' norms)")]
    public DecoderConstraint DecoderConstraint { get; init; } = DecoderConstraint.Renormalise;

    /// <summary>The largest L2 norm of all gradients together; a longer one is scaled down to it. 0: none. Null (default): by architecture, none for
    /// the article's, 1 for the others (dictionary_learning, SAELens).</summary>
    [Description("largest norm of all gradients together, 0: no clipping; by architecture when not given")]
    public double? GradientClip { get; init; }

    /// <summary>Whether the encoder takes b_dec off its input. Default true, the article's; a transcoder never does.</summary>
    [Description("whether the encoder takes b_dec off its input (true, the article's)")]
    public bool ApplyBDecToInput { get; init; } = true;

    /// <summary>How an SAE is born, and in which scale it learns.</summary>
    [Description("how an SAE is born, and in which scale it learns")]
    public SaeStartOptions Start { get; init; } = new();

    /// <summary>For the TopK architectures.</summary>
    [Description("for the TopK architectures")]
    public TopKOptions TopK { get; init; } = new();

    /// <summary>For JumpReLU.</summary>
    [Description("for JumpReLU")]
    public JumpReluOptions Jumprelu { get; init; } = new();

    /// <summary>Whether Gated's second reconstruction teaches the decoder, too. Default <see cref="GatedAuxiliary.FrozenDecoder"/>, the paper's.</summary>
    [Description("gated: frozen_decoder (the paper, dictionary_learning) | learning_decoder (SAELens)")]
    public GatedAuxiliary GatedAuxiliary { get; init; }

    /// <summary>Transcoder: a linear part from input to output beside the latents (Paulo et al. 2025). Default false.</summary>
    [Description("transcoder: a linear part from input to output beside the latents")]
    public bool SkipConnection { get; init; }

    /// <summary>What becomes of dead latents every <see cref="ResampleEverySteps"/>. Null (default): by architecture, kaiming for those with
    /// an L1, never for the others (which have AuxK, or thresholds).</summary>
    [Description("kaiming (the article) | anthropic | dictionary_learning | never; by architecture when not given")]
    public DeadLatentCure? Resampling { get; init; }

    /// <summary>Steps between two resamplings of dead latents; 0: never. Default 10,000.</summary>
    [Description("steps between two resamplings of dead latents, 0: never")]
    public long ResampleEverySteps { get; init; } = 10_000;

    /// <summary>A latent is dead when it fired on no token of this many last steps. Default 5,000.</summary>
    [Description("a latent is dead when it did not fire in this many last steps")]
    public long ResampleLookBackSteps { get; init; } = 5_000;

    /// <summary>Of how many tokens before a resampling the inputs are drawn that <see cref="DeadLatentCure.Anthropic"/> and
    /// <see cref="DeadLatentCure.DictionaryLearning"/> turn latents to, in whole batches; at most the look-back. Each is weighed by the SAE of its own step.
    /// 1: the batch of that step alone, as dictionary_learning. Default 819,200, the sample of Bricken et al. 2023.</summary>
    [Description("anthropic, dictionary_learning: of how many tokens before a resampling inputs are drawn, at most the look-back (1: of one batch)")]
    public long ResampleSampleTokens { get; init; } = 819_200;

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
        var faults = new OptionFaults();
        faults.Check(Enum.IsDefined(Architecture), "architecture", Architecture, "standard, topk, batchtopk, matryoshka_batchtopk, jumprelu, gated, transcoder");
        faults.Check(ExpansionFactor >= 1, "expansion_factor", ExpansionFactor, "1 or more");
        faults.Check(DSae is null or >= 1, "d_sae", DSae, "1 or more");
        faults.Check(L1Coefficient >= 0 && double.IsFinite(L1Coefficient), "l1_coefficient", L1Coefficient, "0 or more");
        faults.Check(TargetL0Fraction is null or (> 0 and < 1), "target_l0_fraction", TargetL0Fraction, "above 0 and below 1");
        faults.Check(TargetL0Fraction is null || L1Coefficient > 0, "l1_coefficient", L1Coefficient, "above 0 when target_l0_fraction is set");
        faults.Check(TargetL0 is null || TargetL0 > 0 && TargetL0 < (DSae ?? double.MaxValue), "target_l0", TargetL0, "above 0 and below d_sae");
        faults.Check(TargetL0 is null || TargetL0Fraction is null, "target_l0", TargetL0, "none when target_l0_fraction is set");
        faults.Check(TargetL0 is null || !ArchitectureDefaults.HasL1(this) || L1Coefficient > 0, "l1_coefficient", L1Coefficient, "above 0 when target_l0 is set");
        faults.Check(SteerAfterTokens >= 0, "steer_after_tokens", SteerAfterTokens, "0 or more");
        faults.Check(L1WarmUpTokens >= 0, "l1_warm_up_tokens", L1WarmUpTokens, "0 or more");
        faults.Check(LearningRate > 0 && double.IsFinite(LearningRate), "learning_rate", LearningRate, "above 0");
        faults.Check(LearningRateWarmUpTokens >= 0, "learning_rate_warm_up_tokens", LearningRateWarmUpTokens, "0 or more");
        faults.Check(LearningRateDecayTokens >= 0, "learning_rate_decay_tokens", LearningRateDecayTokens, "0 or more");
        faults.Check(AdamBeta1 is >= 0 and < 1, "adam_beta1", AdamBeta1, "0 to below 1");
        faults.Check(AdamBeta2 is >= 0 and < 1, "adam_beta2", AdamBeta2, "0 to below 1");
        faults.Check(AdamEpsilon > 0, "adam_epsilon", AdamEpsilon, "above 0");
        faults.Check(TrainingTokens >= 1, "training_tokens", TrainingTokens, "1 or more");
        faults.Check(Enum.IsDefined(DecoderConstraint), "decoder_constraint", DecoderConstraint, "renormalise, project_and_renormalise, renormalise_before, free");
        faults.Check(GradientClip is null or >= 0, "gradient_clip", GradientClip, "0 (none) or more");
        faults.Check(Enum.IsDefined(GatedAuxiliary), "gated_auxiliary", GatedAuxiliary, "frozen_decoder, learning_decoder");
        faults.Check(Resampling is not { } cure || Enum.IsDefined(cure), "resampling", Resampling, "kaiming, anthropic, dictionary_learning, never");
        faults.Check(!SkipConnection || Architecture == SaeArchitecture.Transcoder, "skip_connection", SkipConnection, "true for transcoder only");
        faults.Check(ResampleEverySteps >= 0, "resample_every_steps", ResampleEverySteps, "0 or more");
        faults.Check(ResampleLookBackSteps >= 1, "resample_look_back_steps", ResampleLookBackSteps, "1 or more");
        faults.Check(ResampleSampleTokens >= 1, "resample_sample_tokens", ResampleSampleTokens, "1 or more");
        faults.Check(CheckpointEverySteps >= 0, "checkpoint_every_steps", CheckpointEverySteps, "0 or more");
        faults.Check(LogEverySteps >= 1, "log_every_steps", LogEverySteps, "1 or more");
        Start.Validate(faults);
        TopK.Validate(faults, ArchitectureDefaults.NeedsK(Architecture), DSae);
        Jumprelu.Validate(faults);
        faults.ThrowIfAny("The training options");
        return this;
    }
}
