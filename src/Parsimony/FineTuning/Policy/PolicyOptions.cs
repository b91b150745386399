using System.ComponentModel;
using Parsimony.Models;
using Parsimony.Training;

namespace Parsimony.FineTuning.Policy;

/// <summary>How an adapter learns from what the model itself says.</summary>
public enum PolicyAlgorithm
{
    /// <summary>Proximal policy optimisation with a critic (Schulman et al. 2017; Ziegler et al. 2019). The default.</summary>
    Ppo,

    /// <summary>REINFORCE against the mean of the other responses to a prompt (Ahmadian et al. 2024): no critic, the cheapest.</summary>
    Rloo,

    /// <summary>Group-relative policy optimisation (Shao et al. 2024), or Dr. GRPO by <see cref="GroupScaling.None"/> and
    /// <see cref="LossAggregation.ConstantLength"/> (Liu et al. 2025).</summary>
    Grpo,
}

/// <summary>How an adapter, such as the dials, learns from rewards.</summary>
public sealed record PolicyOptions
{
    /// <summary>Which algorithm. Default ppo.</summary>
    [Description("ppo (with a critic), rloo or grpo (several responses to each prompt instead)")]
    public PolicyAlgorithm Algorithm { get; init; } = PolicyAlgorithm.Ppo;

    /// <summary>Steps, 0 or more; each samples a batch of responses and learns from it. Default 100.</summary>
    [Description("steps, each of which samples a batch of responses and learns from it")]
    public long Steps { get; init; } = 100;

    /// <summary>Responses per step, a multiple of <see cref="ResponsesPerPrompt"/>. Default 64.</summary>
    [Description("responses sampled per step")]
    public int BatchSize { get; init; } = 64;

    /// <summary>Responses to each prompt of a step, 1 or more; 2 or more for rloo and grpo. Default 4.</summary>
    [Description("responses to each prompt of a step; rloo and grpo compare them with each other")]
    public int ResponsesPerPrompt { get; init; } = 4;

    /// <summary>The most tokens of a response, 1 or more. Default 32.</summary>
    [Description("most tokens of a response")]
    public int MaxNewTokens { get; init; } = 32;

    /// <summary>Divides the logits, in sampling as in every log-probability; above 0. Default 1.</summary>
    [Description("divides the logits, when sampling as when learning")]
    public double Temperature { get; init; } = 1;

    /// <summary>Sample among the k most likely tokens only; null: all. Anything but null samples from another distribution than the one that is learnt. Default null.</summary>
    [Description("sample among the k most likely tokens only; what is learnt is still the whole distribution")]
    public int? TopK { get; init; }

    /// <summary>Sample among the fewest tokens whose probabilities reach this sum; null: all. As with <see cref="TopK"/>. Default null.</summary>
    [Description("sample among the fewest tokens whose probabilities sum to this; what is learnt is still the whole distribution")]
    public double? TopP { get; init; }

    /// <summary>Times each batch is gone through, 1 or more. Default 4.</summary>
    [Description("times each batch of responses is gone through")]
    public int Epochs { get; init; } = 4;

    /// <summary>Parts a batch is cut into, each an update, 1 to the batch size. Default 4.</summary>
    [Description("parts a batch is cut into, each of which is an update")]
    public int Minibatches { get; init; } = 4;

    /// <summary>AdamW's learning rate, above 0. Default 1e-3.</summary>
    [Description("AdamW's learning rate")]
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>AdamW's decoupled weight decay, 0 or more. Default 0.</summary>
    [Description("AdamW's decoupled weight decay toward rest")]
    public double WeightDecay { get; init; }

    /// <summary>The gradient of everything learnt together is shortened to this length, above 0; null: never. Default 1.</summary>
    [Description("longest gradient of everything learned together; none: as it is")]
    public double? MaxGradientNorm { get; init; } = 1;

    /// <summary>beta, 0 or more: what a nat of KL to the reference costs. Of the reward with ppo and rloo, of the loss with grpo. Default 0.05.</summary>
    [Description("what a nat of KL to the model at rest costs, in units of the reward")]
    public double KlCoefficient { get; init; } = 0.05;

    /// <summary>How the KL in the reward is had (ppo, rloo); grpo's loss takes k3. Default k1.</summary>
    [Description("how the KL in the reward is had: k1, abs, mse, k3 or full")]
    public KlPenaltyKind KlPenalty { get; init; } = KlPenaltyKind.K1;

    /// <summary>Nats per response toward which beta is steered, above 0; null: beta stays. Default null.</summary>
    [Description("nats per response toward which the KL coefficient is steered; none: it stays")]
    public double? KlTarget { get; init; }

    /// <summary>Responses over which beta is steered, above 0. Default 10,000.</summary>
    [Description("responses over which the KL coefficient is steered")]
    public double KlHorizon { get; init; } = 10_000;

    /// <summary>How far a ratio of probabilities may go from 1 before it stops to count, 0 to below 1. Default 0.2.</summary>
    [Description("how far p / p_old may go from 1 before it no longer counts")]
    public double ClipRange { get; init; } = 0.2;

    /// <summary>The same upwards, for grpo, 0 or more; null: as <see cref="ClipRange"/>. Default null.</summary>
    [Description("the same upwards, for grpo; not set: the same")]
    public double? ClipRangeHigh { get; init; }

    /// <summary>What grpo divides a response's distance from its group by. Default group.</summary>
    [Description("what grpo divides advantages by: group, batch, or none (Dr. GRPO)")]
    public GroupScaling GroupScaling { get; init; } = GroupScaling.Group;

    /// <summary>How grpo weighs tokens. Default token.</summary>
    [Description("how grpo weighs tokens: sequence, token, or constant_length (Dr. GRPO)")]
    public LossAggregation Aggregation { get; init; } = LossAggregation.Token;

    /// <summary>ppo: discount per token, 0 to 1. Default 1.</summary>
    [Description("ppo: discount per token")]
    public double Discount { get; init; } = 1;

    /// <summary>ppo: lambda of the advantage estimate, 0 to 1. Default 0.95.</summary>
    [Description("ppo: lambda of the advantage estimate, from 0 (all critic) to 1 (all return)")]
    public double Lambda { get; init; } = 0.95;

    /// <summary>ppo: whether rewards are divided by their standard deviation. Default false.</summary>
    [Description("ppo: divide rewards by their standard deviation")]
    public bool WhitenRewards { get; init; }

    /// <summary>ppo: whether advantages are brought to mean 0 and variance 1. Default true.</summary>
    [Description("ppo: bring advantages to mean 0 and variance 1")]
    public bool WhitenAdvantages { get; init; } = true;

    /// <summary>ppo: how far a value may go from what it was when the batch was sampled, 0 or more. Default 0.2.</summary>
    [Description("ppo: how far a value may go from what it was before it no longer counts")]
    public double ValueClipRange { get; init; } = 0.2;

    /// <summary>ppo: the critic's learning rate, above 0. Default 1e-3.</summary>
    [Description("ppo: the critic's learning rate")]
    public double ValueLearningRate { get; init; } = 1e-3;

    /// <summary>ppo: first steps in which the critic learns alone, 0 or more. Default 0.</summary>
    [Description("ppo: first steps in which only the critic learns")]
    public long ValueWarmUpSteps { get; init; }

    /// <summary>A null run: flip gives each response's reward a random sign, shuffle gives responses each other's. Default none.</summary>
    [Description("null run: none, flip (random signs) or shuffle (each other's rewards)")]
    public NullRewards NullRewards { get; init; }

    /// <summary>Whether the backward pass runs the layers above the hook's again instead of keeping what it needs of them. No effect on the result. Default false.</summary>
    [Description("run the layers above the hook again in the backward pass instead of keeping what it needs of them")]
    public bool Recompute { get; init; }

    /// <summary>Responses of each step written to samples.jsonl, 0 or more. Default 4.</summary>
    [Description("responses of each step written to samples.jsonl")]
    public int SamplesPerStep { get; init; } = 4;

    /// <summary>Steps between two checkpoints, 1 or more. Default 10.</summary>
    [Description("steps between two checkpoints")]
    public int CheckpointEverySteps { get; init; } = 10;

    /// <summary>Decides prompts, samples, minibatches and a null run's rewards. Default 0.</summary>
    [Description("seed of the prompts' order, of the samples and of the minibatches")]
    public long Seed { get; init; }

    /// <summary>How tokens are drawn.</summary>
    internal SamplingOptions Sampling(long seed) => new() { MaxNewTokens = MaxNewTokens, Temperature = Temperature, TopK = TopK, TopP = TopP, Seed = seed };

    /// <summary>These options, checked.</summary>
    /// <exception cref="ArgumentException">Names every fault at once.</exception>
    public PolicyOptions Validated()
    {
        var faults = new OptionFaults();
        bool Finite(double x) => double.IsFinite(x);
        int fewest = Algorithm is PolicyAlgorithm.Ppo ? 1 : 2;
        faults.Check(Enum.IsDefined(Algorithm), "algorithm", Algorithm, "ppo, rloo or grpo");
        faults.AtLeast(0, Steps);
        faults.Check(ResponsesPerPrompt >= fewest, "responses_per_prompt", ResponsesPerPrompt, $"{fewest} or more");
        faults.Check(BatchSize >= 1 && BatchSize % Math.Max(1, ResponsesPerPrompt) == 0, "batch_size", BatchSize, $"a multiple of responses_per_prompt, {ResponsesPerPrompt}");
        faults.AtLeast(1, MaxNewTokens);
        faults.AboveZero(Temperature);
        faults.Check(TopK is null or >= 1, "top_k", TopK, "1 or more, or not set");
        faults.Check(TopP is null or (> 0 and <= 1), "top_p", TopP, "above 0 and at most 1, or not set");
        faults.AtLeast(1, Epochs);
        faults.Check(Minibatches >= 1 && Minibatches <= BatchSize, "minibatches", Minibatches, $"1 to batch_size, {BatchSize}");
        faults.AboveZero(LearningRate);
        faults.AtLeast(0, WeightDecay);
        faults.Check(MaxGradientNorm is not { } norm || norm > 0, "max_gradient_norm", MaxGradientNorm, "above 0, or not set");
        faults.Check(Finite(KlCoefficient) && KlCoefficient >= 0 && (KlTarget is null || KlCoefficient > 0), "kl_coefficient", KlCoefficient, "0 or more; above 0 with kl_target");
        faults.Check(Enum.IsDefined(KlPenalty), "kl_penalty", KlPenalty, "k1, abs, mse, k3 or full");
        faults.Check(KlTarget is not { } target || (Finite(target) && target > 0), "kl_target", KlTarget, "above 0, or not set");
        faults.Check(KlHorizon > 0, "kl_horizon", KlHorizon, "above 0");
        faults.Share(ClipRange);
        faults.Check(ClipRangeHigh is null or >= 0, "clip_range_high", ClipRangeHigh, "0 or more, or not set");
        faults.Check(Enum.IsDefined(GroupScaling), "group_scaling", GroupScaling, "group, batch or none");
        faults.Check(Enum.IsDefined(Aggregation), "aggregation", Aggregation, "sequence, token or constant_length");
        faults.Check(Discount is >= 0 and <= 1, "discount", Discount, "0 to 1");
        faults.Check(Lambda is >= 0 and <= 1, "lambda", Lambda, "0 to 1");
        faults.Check(ValueClipRange >= 0, "value_clip_range", ValueClipRange, "0 or more");
        faults.AboveZero(ValueLearningRate);
        faults.AtLeast(0, ValueWarmUpSteps);
        faults.Check(Enum.IsDefined(NullRewards), "null_rewards", NullRewards, "none, flip or shuffle");
        faults.AtLeast(0, SamplesPerStep);
        faults.AtLeast(1, CheckpointEverySteps);
        faults.ThrowIfAny("the options of learning from rewards");
        return this;
    }
}
