using System.Diagnostics;
using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Preference;

/// <summary>Everything of a run of learning from pairs that outlives a step: the adapter, its optimisers, position, sums since the last log line; saved and restored as one file.</summary>
internal sealed class DpoRun : IDisposable
{
    private readonly DpoOptions options;
    private readonly RunFiles files;
    private readonly AdapterOptimiser optimiser;
    private readonly Tensor sums = zeros(7, ScalarType.Float64).DetachFromDisposeScope();       // over the pairs since the last log line, in the order of its fields
    private readonly Tensor gradientNorm = zeros(1).DetachFromDisposeScope();
    private readonly Stopwatch clock = Stopwatch.StartNew();
    private readonly long tokensAtStart;
    private long pairs;                                                                         // since the last log line

    /// <summary>A run at its start, or where its folder's checkpoint left off.</summary>
    public DpoRun(IAdapter adapter, DpoOptions options, string? folder, IReadOnlyDictionary<string, string> identity)
    {
        (this.options, files) = (options, new RunFiles(folder, identity));
        optimiser = new AdapterOptimiser(adapter, options.LearningRate, options.WeightDecay);
        try
        {
            Resume();
        }
        catch
        {
            Dispose();
            throw;
        }
        tokensAtStart = TokensSeen;
    }

    public long Step { get; private set; }

    public long TokensSeen { get; private set; }

    /// <summary>One step down the gradient of a batch's loss, whose graph is used up, and what it adds to the sums.</summary>
    /// <param name="loss">What is minimised.</param>
    /// <param name="preference">The preference part of it.</param>
    /// <param name="logProbs">ln p of the completions, chosen ones first.</param>
    /// <param name="tokens">Tokens of the batch.</param>
    public void Update(Tensor loss, PreferenceLoss preference, Tensor logProbs, long tokens)
    {
        using var scope = NewDisposeScope();
        gradientNorm.copy_(optimiser.Step(Gradients.Of(loss, optimiser.Parameters), options.MaxGradientNorm));
        using var noGradient = no_grad();
        long count = preference.Losses.size(0);
        Tensor[] added =
        [
            preference.Losses, preference.ChosenRewards.gt(preference.RejectedRewards).to(ScalarType.Float32), preference.ChosenRewards - preference.RejectedRewards,
            preference.ChosenRewards, preference.RejectedRewards, logProbs.narrow(0, 0, count), logProbs.narrow(0, count, count),
        ];
        sums.add_(stack([.. added.Select(x => x.sum(ScalarType.Float64).cpu())]));
        pairs += count;
        TokensSeen += tokens;
        Step++;
    }

    /// <summary>Writes a line of metrics.jsonl.</summary>
    /// <exception cref="InvalidOperationException">The loss is not finite.</exception>
    public DpoProgress Log()
    {
        double[] mean = [.. sums.data<double>().ToArray().Select(x => x / pairs)];
        if (!double.IsFinite(mean[0])) throw new InvalidOperationException(
            $"the loss up to step {Step} is {mean[0]}; training stops and the last checkpoint is kept. Use a lower learning_rate.");
        using (no_grad()) sums.zero_();
        pairs = 0;
        var distance = optimiser.Distance();
        var line = new DpoProgress(Step, options.Steps, TokensSeen, (TokensSeen - tokensAtStart) / Math.Max(clock.Elapsed.TotalSeconds, 1e-9), mean[0], mean[1], mean[2], mean[3], mean[4], mean[5],
            mean[6], distance.Gamma, distance.Shift, distance.All, distance.LatentsChanged, gradientNorm.item<float>());
        files.Append(line);
        files.AppendDials(line.Step, optimiser.Adapter);
        return line;
    }

    /// <summary>Writes the checkpoint, when there is a folder.</summary>
    public void Save() => files.Save(Tensors(), new Dictionary<string, long> { ["step"] = Step, ["tokens_seen"] = TokensSeen, ["pairs_since_log"] = pairs });

    private void Resume()
    {
        if (files.Load(Tensors(), ["step", "tokens_seen", "pairs_since_log"]) is { } counts)
            (Step, TokensSeen, pairs, optimiser.Steps) = (counts["step"], counts["tokens_seen"], counts["pairs_since_log"], counts["step"]);
        files.TruncateTo<DpoProgress>(line => line.Step, Step);
        files.TruncateDials(Step);
    }

    private Dictionary<string, Tensor> Tensors() => new(optimiser.Tensors()) { ["sums_since_log"] = sums };

    public void Dispose()
    {
        optimiser.Dispose();
        sums.Dispose();
        gradientNorm.Dispose();
    }
}
