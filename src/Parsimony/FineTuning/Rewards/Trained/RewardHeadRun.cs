using System.Diagnostics;
using Parsimony.Autoencoders;
using Parsimony.Files;
using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Rewards.Trained;

/// <summary>Everything of a reward model's run that outlives a step, saved and restored as one file. The order of the data follows from the position.</summary>
internal sealed class RewardHeadRun : IDisposable
{
    private readonly RewardHeadOptions options;
    private readonly RunFiles files;
    private readonly AdamW weightOptimiser, biasOptimiser;
    private readonly long steps, stepAtStart;
    private readonly int count, textsOfOne;
    private readonly Stopwatch clock = Stopwatch.StartNew();

    // Since the last line: loss, right, margin and reward, summed over items (rewards over texts); then the largest and the negated smallest reward.
    private readonly Tensor sums = zeros(4, ScalarType.Float64).DetachFromDisposeScope();
    private readonly Tensor extremes = full(2, double.NegativeInfinity, ScalarType.Float64).DetachFromDisposeScope();
    private long items;

    /// <summary>A run at its start, or where its folder's checkpoint left off.</summary>
    public RewardHeadRun(RewardHead head, RewardHeadOptions options, RewardItems data, string? folder, IReadOnlyDictionary<string, string> identity)
    {
        (Head, this.options, files) = (head, options, new RunFiles(folder, identity));
        (count, textsOfOne, steps) = (data.Count, data.TextsOfOne, options.Steps(data.Count));
        weightOptimiser = new AdamW(head.Weight, options.LearningRate, options.WeightDecay);
        biasOptimiser = new AdamW(head.Bias, options.LearningRate);
        try
        {
            Resume();
        }
        catch
        {
            Dispose();
            throw;
        }
        stepAtStart = Step;
    }

    /// <summary>The head that learns; owned by this object.</summary>
    public RewardHead Head { get; }

    public long Step { get; private set; }

    /// <summary>What a checkpoint must have been made with to go on exactly.</summary>
    public static IReadOnlyDictionary<string, string> Identity(Transformer model, ISparseAutoencoder? sae, RewardHeadOptions options, RewardData train)
    {
        // What does not change a step may differ: how long the run is, how often it logs, how much it keeps.
        var stepOptions = options with { Epochs = 1, LogEverySteps = 1, CheckpointEverySteps = 1, TextCache = "0", HeldOutFraction = 0, NullRun = false };
        return new Dictionary<string, string>
        {
            ["options"] = Json.WriteLine(stepOptions),
            ["model"] = model.Sha256 ?? "in memory",
            ["sae"] = sae is null ? "none" : RunIdentity.Sha256(sae),
            ["examples"] = train.Sha256(),
        };
    }

    /// <summary>One step down the gradient of a batch.</summary>
    public void Update(RewardBatch batch)
    {
        var gradients = autograd.grad([batch.Loss], [Head.Weight, Head.Bias]);
        using var noGradient = no_grad();
        weightOptimiser.Step(gradients[0]);
        biasOptimiser.Step(gradients[1]);
        long size = batch.Right.size(0);
        var values = batch.Values.to(ScalarType.Float64);
        sums.add_(stack([batch.Loss.detach().to(ScalarType.Float64) * size, batch.Right.sum(), batch.Margins.sum(), values.sum()], 0));
        extremes.copy_(maximum(extremes, stack([values.max(), -values.min()], 0)));
        items += size;
        Step++;
    }

    /// <summary>Writes a line of metrics.jsonl.</summary>
    /// <exception cref="InvalidOperationException">The loss is not finite.</exception>
    public RewardHeadProgress Log(RewardScoring? heldOut)
    {
        double[] s = [.. sums.data<double>()], ends = [.. extremes.data<double>()];
        double loss = s[0] / items, seconds = Math.Max(clock.Elapsed.TotalSeconds, 1e-9);
        if (!double.IsFinite(loss)) throw new InvalidOperationException(
            $"the loss up to step {Step} is {loss}; training stops and the last checkpoint is kept. Use a lower learning_rate.");
        bool pairs = textsOfOne == 2;
        var line = new RewardHeadProgress(Step, steps, (double)Step * options.BatchSize / count, (Step - stepAtStart) * options.BatchSize * textsOfOne / seconds,
            loss, s[1] / items, s[2] / items, pairs ? s[3] / (2 * items) : null, pairs ? -ends[1] : null, pairs ? ends[0] : null, heldOut?.Loss, heldOut?.Accuracy.Value);
        using var noGradient = no_grad();
        sums.zero_();
        extremes.fill_(double.NegativeInfinity);
        items = 0;
        files.Append(line);
        return line;
    }

    /// <summary>Writes the checkpoint, when there is a folder.</summary>
    public void Save() => files.Save(Tensors(), new Dictionary<string, long> { ["step"] = Step, ["items_since_log"] = items });

    private void Resume()
    {
        if (files.Load(Tensors(), ["step", "items_since_log"]) is { } counts)
        {
            (Step, items) = (counts["step"], counts["items_since_log"]);
            weightOptimiser.Steps = biasOptimiser.Steps = Step;
        }
        files.TruncateTo<RewardHeadProgress>(line => line.Step, Step);
    }

    private Dictionary<string, Tensor> Tensors() => new()
    {
        ["weight"] = Head.Weight,
        ["weight.exp_avg"] = weightOptimiser.FirstMoment,
        ["weight.exp_avg_sq"] = weightOptimiser.SecondMoment,
        ["bias"] = Head.Bias,
        ["bias.exp_avg"] = biasOptimiser.FirstMoment,
        ["bias.exp_avg_sq"] = biasOptimiser.SecondMoment,
        ["sums_since_log"] = sums,
        ["extremes_since_log"] = extremes,
    };

    public void Dispose()
    {
        Head.Dispose();
        weightOptimiser.Dispose();
        biasOptimiser.Dispose();
        sums.Dispose();
        extremes.Dispose();
    }
}
