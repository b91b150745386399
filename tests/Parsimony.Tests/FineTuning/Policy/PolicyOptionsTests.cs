using Parsimony.Files;
using Parsimony.FineTuning.Policy;
using Xunit;

namespace Parsimony.Tests.FineTuning.Policy;

public sealed class PolicyOptionsTests
{
    [Fact]
    public void Every_fault_is_named_at_once()
    {
        var options = new PolicyOptions { Algorithm = PolicyAlgorithm.Rloo, ResponsesPerPrompt = 1, Temperature = 0, Epochs = 0, ClipRange = 1, KlCoefficient = 0, KlTarget = 6 };
        string message = Assert.Throws<ArgumentException>(options.Validated).Message;
        foreach (string fault in (string[])["responses_per_prompt is 1; allowed: 2 or more", "temperature is 0; allowed: above 0", "epochs is 0", "clip_range is 1", "kl_coefficient is 0; allowed: 0 or more; above 0 with kl_target"])
            Assert.Contains(fault, message, StringComparison.Ordinal);
        Assert.Contains("batch_size is 10; allowed: a multiple of responses_per_prompt, 4",
            Assert.Throws<ArgumentException>((new PolicyOptions { BatchSize = 10 }).Validated).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_defaults_are_these()
    {
        var o = new PolicyOptions().Validated();
        Assert.Equal((PolicyAlgorithm.Ppo, 100L, 64, 4, 32, 4, 4), (o.Algorithm, o.Steps, o.BatchSize, o.ResponsesPerPrompt, o.MaxNewTokens, o.Epochs, o.Minibatches));
        Assert.Equal((1.0, 1e-3, 0.0, 1.0), (o.Temperature, o.LearningRate, o.WeightDecay, o.MaxGradientNorm));
        Assert.Equal((0.05, KlPenaltyKind.K1, null, 10_000.0, 0.2), (o.KlCoefficient, o.KlPenalty, o.KlTarget, o.KlHorizon, o.ClipRange));
        Assert.Equal((1.0, 0.95, false, true, 0.2, 1e-3, 0L), (o.Discount, o.Lambda, o.WhitenRewards, o.WhitenAdvantages, o.ValueClipRange, o.ValueLearningRate, o.ValueWarmUpSteps));
        Assert.Equal((NullRewards.None, GroupScaling.Group, LossAggregation.Token), (o.NullRewards, o.GroupScaling, o.Aggregation));
        Assert.Equal(o, Json.Parse<PolicyOptions>(Json.WriteLine(o), "options"));
    }
}
