using Parsimony.FineTuning.Preference;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Preference;

/// <summary>fixtures/rl/dpo: TRL 0.11.4's DPOTrainer.dpo_loss on given sequence log-probabilities.</summary>
public sealed class PreferenceGoldenTests : IDisposable
{
    private readonly Golden golden = Golden.Open("rl/dpo");
    private readonly DisposeScope scope = NewDisposeScope();

    [Theory]
    [InlineData("sigmoid", PreferenceLossKind.Sigmoid, 0.1, 0, false)]
    [InlineData("sigmoid_beta05", PreferenceLossKind.Sigmoid, 0.5, 0, false)]
    [InlineData("sigmoid_smooth01", PreferenceLossKind.Sigmoid, 0.1, 0.1, false)]
    [InlineData("reference_free", PreferenceLossKind.Sigmoid, 0.1, 0, true)]
    [InlineData("hinge", PreferenceLossKind.Hinge, 0.1, 0, false)]
    [InlineData("ipo", PreferenceLossKind.Ipo, 0.1, 0, false)]
    public void Losses_rewards_and_gradients_are_the_peers(string variant, PreferenceLossKind kind, double beta, double smoothing, bool referenceFree)
    {
        var facts = golden.Facts.GetProperty("variants").GetProperty(variant);
        Assert.Equal((beta, smoothing, referenceFree), (facts.GetProperty("beta").GetDouble(), facts.GetProperty("label_smoothing").GetDouble(),
            facts.GetProperty("reference_free").GetBoolean()));
        Tensor chosen = golden["policy_chosen_logps"].requires_grad_(), rejected = golden["policy_rejected_logps"].requires_grad_();
        var one = ones(8); // the peer is handed its scores as they are, averaged before where it wants averages
        using var loss = PreferenceLoss.Of(
            kind, new CompletionScores(chosen, golden["reference_chosen_logps"], one), new CompletionScores(rejected, golden["reference_rejected_logps"], one),
            beta, smoothing, referenceFree: referenceFree);
        golden.AssertClose(variant + ".losses", loss.Losses);
        golden.AssertClose(variant + ".chosen_rewards", loss.ChosenRewards);
        golden.AssertClose(variant + ".rejected_rewards", loss.RejectedRewards);
        var mean = loss.Losses.mean();
        Assert.Equal(facts.GetProperty("mean_loss").GetDouble(), mean.item<float>(), 1e-5 * mean.item<float>());
        var gradients = autograd.grad([mean], [chosen, rejected]);
        golden.AssertClose(variant + ".grad_policy_chosen", gradients[0], 3e-5);
        golden.AssertClose(variant + ".grad_policy_rejected", gradients[1], 3e-5);
    }

    public void Dispose()
    {
        scope.Dispose();
        golden.Dispose();
    }
}
