using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Policy;

/// <summary>One step of PPO (Schulman et al. 2017) on text (Ziegler et al. 2019; details: Huang et al. 2024): every token is an action, rewarded with
/// what it costs in KL and with its share of the score; a critic on the frozen reference says what was to be expected.</summary>
internal static class PpoStep
{
    public static (PolicyProgress Line, IReadOnlyList<PolicySample> Samples) Take(PolicyTask task, PolicyRun run, CancellationToken cancellation)
    {
        using var scope = NewDisposeScope();
        var (o, log, beta, critic) = (task.Options, new StepLog(), run.Beta.Coefficient, run.Critic!);

        // Rollout
        var rollout = task.Sample(run.Step, atRest: false, cancellation);
        var mask = rollout.Mask;                                                                 // [batch, seq]
        log.Generated();

        // Score
        var judged = task.Judge(rollout, run.Step, cancellation);
        using var frozen = task.Freeze(rollout);
        var scores = frozen.Score(task.Minibatches(run.Step, 0), keepHidden: true);
        var values = critic.Values(scores.ReferenceHidden!).detach();                            // [batch, seq]
        log.Scored();

        // KL
        var rewards = judged.TokenScores + TokenRewards.Penalty(scores.Kl(o.KlPenalty), beta, mask);
        if (o.WhitenRewards) rewards = Whitening.Of(rewards, mask, shiftMean: false);

        // Advantages
        var gae = Gae.Of(rewards, values, mask, o.Discount, o.Lambda);
        var advantages = o.WhitenAdvantages ? Whitening.Of(gae.Advantages, mask) : gae.Advantages;
        double explained = ValueLoss.Of(values, values, gae.Returns, mask).ExplainedVariance.item<float>();

        // Epochs
        foreach (long[] rows in task.Updates(run.Step))
        {
            using var update = NewDisposeScope();
            var these = tensor(rows, device: mask.device);
            Tensor Those(Tensor all) => all.index_select(0, these);
            if (run.Step >= o.ValueWarmUpSteps)
            {
                var logProbs = frozen.LogProbs(rows);
                var loss = PolicyLoss.Of(logProbs, Those(scores.LogProbs), Those(advantages), Those(mask), o.ClipRange);
                log.AddRatios(logProbs, Those(scores.LogProbs), Those(mask));
                log.Add("gradient_norm", run.Update(loss.Loss));
                log.Add("policy_loss", loss.Loss);
                log.Add("clip_fraction", loss.ClipFraction);
            }
            var error = ValueLoss.Of(critic.Values(Those(scores.ReferenceHidden!)), Those(values), Those(gae.Returns), Those(mask), o.ValueClipRange);
            run.UpdateCritic(error.Loss);
            log.Add("value_loss", error.Loss);
        }
        log.Updated();
        var line = log.Line(task, run, beta, rollout, judged, scores) with { ValueLoss = log.Mean("value_loss"), ExplainedVariance = explained };
        return (line, judged.Samples(run.Step, o.SamplesPerStep));
    }
}
