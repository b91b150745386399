using Parsimony.FineTuning.Policy;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Policy;

/// <summary>fixtures/rl/grpo: TRL 0.15.1's GRPOTrainer, groups of four.</summary>
public sealed class GrpoGoldenTests
{
    [Fact]
    public void Advantages_loss_and_gradient_are_the_peers()
    {
        using var golden = Golden.Open("rl/grpo");
        using var scope = NewDisposeScope();
        using var group = GroupAdvantages.Of(golden["rewards"], 4);
        golden.AssertClose("group_mean", group.Means);
        golden.AssertClose("group_std", group.Deviations);
        golden.AssertClose("advantages", group.Advantages);

        var logP = golden["per_token_logps"].requires_grad_();
        using var loss = GrpoLoss.Of(
            logP, logP, group.Advantages, golden["completion_mask"].to(ScalarType.Bool), LossAggregation.Sequence, divisor: 20,
            klCoefficient: 0.04, referenceLogProbs: golden["ref_per_token_logps"]);
        golden.AssertClose("loss", loss.Loss);
        golden.AssertClose("grad_logps", autograd.grad([loss.Loss], [logP])[0], 3e-5);
        double kl = golden.Facts.GetProperty("mean_kl").GetDouble();
        Assert.Equal(kl, loss.MeanKl.item<float>(), 1e-5 * kl);
    }
}
