using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Policy;

/// <summary>One step of GRPO (Shao et al. 2024): every token of a response has the advantage of the response over the others to its prompt, and the KL
/// (k3) is in the loss.</summary>
internal static class GrpoStep
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

        // Advantages
        var advantages = GroupAdvantages.Of(judged.Scores, o.ResponsesPerPrompt, o.GroupScaling).Advantages; // [batch]

        // Epochs
        foreach (long[] rows in task.Updates(run.Step))
        {
            using var update = NewDisposeScope();
            var these = tensor(rows, device: mask.device);
            Tensor Those(Tensor all) => all.index_select(0, these);
            var logProbs = frozen.LogProbs(rows);
            double divisor = o.Aggregation.Divisor(rows.Length, rows.Sum(r => (long)rollout.Responses[(int)r].Length), o.MaxNewTokens);
            var loss = GrpoLoss.Of(logProbs, Those(scores.LogProbs), Those(advantages), Those(mask), o.Aggregation, divisor,
                o.ClipRange, o.ClipRangeHigh ?? o.ClipRange, beta, Those(scores.ReferenceLogProbs));
            log.AddRatios(logProbs, Those(scores.LogProbs), Those(mask));
            log.Add("gradient_norm", run.Update(loss.Loss));
            log.Add("policy_loss", loss.Loss);
            log.Add("clip_fraction", loss.ClipFractionLow + loss.ClipFractionHigh);
        }
        log.Updated();
        return (log.Line(task, run, beta, rollout, judged, scores) with { EqualGroups = judged.EqualGroups(o.ResponsesPerPrompt) }, judged.Samples(run.Step, o.SamplesPerStep));
    }
}
