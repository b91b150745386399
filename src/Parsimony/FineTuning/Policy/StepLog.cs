using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Policy;

/// <summary>What a step notes of itself: seconds of its three parts, and numbers of its updates. Scalars stay tensors until the end, in the step's scope.</summary>
internal sealed class StepLog
{
    private readonly Stopwatch clock = Stopwatch.StartNew();
    private readonly Dictionary<string, List<Tensor>> updates = [];
    private double generated, scored, updated;

    public void Generated() => generated = clock.Elapsed.TotalSeconds;

    public void Scored() => scored = clock.Elapsed.TotalSeconds;

    public void Updated() => updated = clock.Elapsed.TotalSeconds;

    /// <summary>Notes a scalar of an update; it outlives the update's scope.</summary>
    public void Add(string name, Tensor scalar)
    {
        if (!updates.TryGetValue(name, out var list)) updates[name] = list = [];
        list.Add(scalar.detach().MoveToOuterDisposeScope());
    }

    /// <summary>Notes how far the new log-probabilities are from the old.</summary>
    public void AddRatios(Tensor logProbs, Tensor oldLogProbs, Tensor mask)
    {
        using var noGradient = no_grad();
        var change = Masked.Keep(logProbs - oldLogProbs, mask);
        Add("approximate_kl", Masked.Mean(0.5 * change.square(), mask));
        Add("ratio", Masked.Mean(change.exp(), mask));
        Add("ratio_error", change.expm1().abs().max());
    }

    /// <summary>Mean over the updates; NaN where there was none.</summary>
    public double Mean(string name) => updates.TryGetValue(name, out var list) ? list.Average(t => t.to(ScalarType.Float64).item<double>()) : double.NaN;

    /// <summary>The line of a step that is done.</summary>
    /// <exception cref="InvalidOperationException">The loss is not finite.</exception>
    public PolicyProgress Line(PolicyTask task, PolicyRun run, double beta, Rollout rollout, RolloutRewards judged, PolicyScores scores)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var mask = rollout.Mask;
        double PerToken(Tensor x) => Masked.Mean(x, mask).item<float>();
        double PerResponse(Tensor x) => Masked.SumPerRow(x, mask).mean().item<float>();
        double kl = PerResponse(scores.LogProbs - scores.ReferenceLogProbs), loss = Mean("policy_loss");
        if (!double.IsFinite(kl) || (updates.ContainsKey("policy_loss") && !double.IsFinite(loss)))
            throw new InvalidOperationException($"in step {run.Step + 1} the loss is {loss} and the KL {kl}; training stops and the last checkpoint is kept. Use a lower learning_rate.");
        run.Advance(rollout, kl);
        var distance = run.Distance();
        return new PolicyProgress
        {
            Step = run.Step,
            Steps = task.Options.Steps,
            Responses = run.Responses,
            TokensSampled = run.TokensSampled,
            Reward = judged.Values.Average(),
            RewardParts = judged.Parts.ToDictionary(p => p.Name, p => p.Mean),
            Kl = kl,
            FullKl = PerResponse(scores.FullKl),
            KlCoefficient = beta,
            Entropy = PerToken(scores.Entropies),
            PolicyLoss = loss,
            ClipFraction = Mean("clip_fraction"),
            ApproximateKl = Mean("approximate_kl"),
            Ratio = Mean("ratio"),
            FirstRatioError = updates.TryGetValue("ratio_error", out var errors) ? errors[0].item<float>() : double.NaN,
            SamplingError = PerToken((scores.LogProbs - rollout.SampledLogProbs).abs()),
            ResponseLength = (double)rollout.SampledTokens / rollout.Responses.Count,
            EndedFraction = judged.Texts.Average(t => t.Ended ? 1.0 : 0),
            GradientNorm = Mean("gradient_norm"),
            GammaRms = distance.Gamma,
            ShiftRms = distance.Shift,
            ParameterRms = distance.All,
            LatentsChanged = distance.LatentsChanged,
            TokensPerSecond = rollout.SampledTokens / Math.Max(updated, 1e-9),
            SecondsGenerate = generated,
            SecondsScore = scored - generated,
            SecondsUpdate = updated - scored,
        };
    }
}
