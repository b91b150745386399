using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Policy;

/// <summary>One step of RLOO (Ahmadian et al. 2024): a response is one action, rewarded with its score less what it costs in KL, against the mean of
/// the other responses to its prompt.</summary>
internal static class RlooStep
{
    public static (PolicyProgress Line, IReadOnlyList<PolicySample> Samples) Take(PolicyTask task, PolicyRun run, CancellationToken cancellation)
    {
        using var scope = NewDisposeScope();
        var (o, log, beta) = (task.Options, new StepLog(), run.Beta.Coefficient);

        // Rollout
        var rollout = task.Sample(run.Step, atRest: false, cancellation);
        var mask = rollout.Mask;                                                                 // [batch, seq]
        log.Generated();

        // Score
        var judged = task.Judge(rollout, run.Step, cancellation);
        using var frozen = task.Freeze(rollout);
        var scores = frozen.Score(task.Minibatches(run.Step, 0), keepHidden: false);
        log.Scored();

        // KL, advantages
        var rewards = judged.Scores - beta * Masked.SumPerRow(scores.Kl(o.KlPenalty), mask);      // [batch]
        var advantages = GroupAdvantages.LeaveOneOut(rewards, o.ResponsesPerPrompt);

        // Epochs
        foreach (long[] rows in task.Updates(run.Step))
        {
            using var update = NewDisposeScope();
            var these = tensor(rows, device: mask.device);
            Tensor Those(Tensor all) => all.index_select(0, these);
            var logProbs = frozen.LogProbs(rows);
            var loss = RlooLoss.Of(logProbs, Those(scores.LogProbs), Those(advantages), Those(mask), o.ClipRange);
            log.AddRatios(logProbs, Those(scores.LogProbs), Those(mask));
            log.Add("gradient_norm", run.Update(loss.Loss));
            log.Add("policy_loss", loss.Loss);
            log.Add("clip_fraction", loss.ClipFraction);
        }
        log.Updated();
        return (log.Line(task, run, beta, rollout, judged, scores) with { EqualGroups = judged.EqualGroups(o.ResponsesPerPrompt) }, judged.Samples(run.Step, o.SamplesPerStep));
    }
}
