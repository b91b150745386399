using System.Diagnostics;
using Parsimony.Autoencoders;
using Parsimony.Evaluation;
using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Rewards.Trained;

/// <summary>
/// Learns a reward from pairs of a better and a worse text (Ouyang et al. 2022), or a classifier from texts with a label: one linear layer on what a frozen language model, or
/// an SAE in it, makes of a text. The model is run once on each text while what it made is kept.
/// </summary>
public sealed class RewardHeadTrainer
{
    /// <summary>Pairs or texts that are measured at a time.</summary>
    internal const int Chunk = 256;

    private const int LatentsShown = 20;
    private readonly Transformer model;
    private readonly ISparseAutoencoder? sae;
    private readonly RewardHeadOptions options;
    private readonly RewardReader reader;

    /// <summary>A trainer.</summary>
    /// <param name="model">The frozen model; not owned.</param>
    /// <param name="options">How to learn.</param>
    /// <param name="sae">An SAE at the options' hook point, whose latents are read instead of the activation; not owned. Null: none.</param>
    /// <exception cref="ArgumentException">The options have faults, or the hook point or the SAE does not fit the model.</exception>
    public RewardHeadTrainer(Transformer model, RewardHeadOptions options, ISparseAutoencoder? sae = null)
    {
        (this.model, this.options, this.sae) = (model, options.Validated(), sae);
        reader = new RewardReader(model, options.Hook, sae, options.Pooling);
    }

    /// <summary>Learns to the end, or goes on from the checkpoint in the folder; either way the head ends with the same bits.</summary>
    /// <param name="train">What to learn from, 1 or more.</param>
    /// <param name="heldOut">What to measure and normalise on, of the same kind; may be empty.</param>
    /// <param name="folder">Where metrics.jsonl and the checkpoint go; null writes nothing.</param>
    /// <param name="progress">Told at every log line.</param>
    /// <param name="reading">Told how many of the training texts the model has read, before the first step.</param>
    /// <param name="cancellation">Ends the run after the current step, its state saved.</param>
    /// <exception cref="ArgumentException">There is nothing to learn from, a text is too long for the model, or the two differ in kind.</exception>
    /// <exception cref="InvalidDataException">The folder's checkpoint is damaged or of another run.</exception>
    /// <exception cref="InvalidOperationException">A loss or a reward is not finite.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the state is saved.</exception>
    public RewardHeadResult Train(
        RewardData train, RewardData heldOut, string? folder = null, IProgress<RewardHeadProgress>? progress = null, IProgress<int>? reading = null,
        CancellationToken cancellation = default)
    {
        Check(train, heldOut);
        var clock = Stopwatch.StartNew();
        using var scope = NewDisposeScope();
        using var readings = new RewardReadings(reader, [.. train.Texts, .. heldOut.Texts], options.TextCacheBytes);
        var (learnt, measured) = (RewardItems.Of(train, 0), RewardItems.Of(heldOut, train.Texts.Count));
        var standard = RewardStandard.Of(readings, train.Texts.Count, options.Standardise, reading, cancellation);

        var head = Learn(learnt, readings, standard, measured, train.Classes.Count, folder, RewardHeadRun.Identity(model, sae, options, train), progress, cancellation);
        double? noise = null;
        if (options.NullRun && heldOut.Count > 0)
        {
            using var nothing = Learn(learnt.WithRandomVerdicts(options.Seed), readings, standard, measured, train.Classes.Count, null, new Dictionary<string, string>(), null, cancellation);
            noise = Score(nothing, measured, readings, cancellation, interval: false)!.Accuracy.Value;
        }
        var (gain, offset) = Normalisation(head, heldOut.Count > 0 ? measured : learnt, readings, cancellation);
        return new RewardHeadResult
        {
            Head = head,
            Gain = gain,
            Offset = offset,
            Train = Score(head, learnt, readings, cancellation)!,
            HeldOut = Score(head, measured, readings, cancellation),
            NullAccuracy = noise,
            Baseline = heldOut.Count > 0 ? heldOut.Baseline(train) : null,
            Latents = sae is null ? [] : Latents(head, standard.Mean, train.IsPairs ? gain[0] : 1, train.Classes),
            Seconds = clock.Elapsed.TotalSeconds,
        };
    }

    private RewardHead Learn(
        RewardItems data, RewardReadings readings, RewardStandard standard, RewardItems heldOut, int classes, string? folder, IReadOnlyDictionary<string, string> identity,
        IProgress<RewardHeadProgress>? progress, CancellationToken cancellation)
    {
        var born = RewardHead.Create(Math.Max(1, classes), reader.Width, options.Birth, Permutation.Seed(options.Seed, RandomUse.Birth, 0));
        using var run = new RewardHeadRun(born, options, data, folder, identity);
        var order = new ExampleOrder(data.Count, options.BatchSize, shuffle: true, options.Seed);
        long steps = options.Steps(data.Count);
        using var withGradient = enable_grad();
        while (run.Step < steps)
        {
            using var scope = NewDisposeScope();
            if (cancellation.IsCancellationRequested) run.Save();
            cancellation.ThrowIfCancellationRequested();

            var batch = data.Some(order.Batch(run.Step));
            run.Update(RewardBatch.Of(run.Head.Values(standard.Of(readings.Rows(batch.TextOf, cancellation))), batch.Labels, options));

            bool epochEnds = run.Step == steps || run.Step * options.BatchSize / data.Count > (run.Step - 1) * options.BatchSize / data.Count;
            if (epochEnds || run.Step % options.LogEverySteps == 0)
            {
                using var now = standard.Plain(run.Head);
                var line = run.Log(epochEnds && (folder is not null || progress is not null) ? Score(now, heldOut, readings, cancellation, interval: false) : null);
                progress?.Report(line);
            }
            if (run.Step == steps || run.Step % options.CheckpointEverySteps == 0) run.Save();
        }
        return standard.Plain(run.Head);
    }

    /// <summary>What a head is worth on some items; null without any.</summary>
    private RewardScoring? Score(RewardHead head, RewardItems items, RewardReadings readings, CancellationToken cancellation, bool interval = true)
    {
        if (items.Count == 0) return null;
        using var noGradient = no_grad();
        double loss = 0, margin = 0, reward = 0, least = double.PositiveInfinity, most = double.NegativeInfinity;
        var right = new List<double>(items.Count);
        foreach (int[] chunk in Enumerable.Range(0, items.Count).Chunk(Chunk))
        {
            using var scope = NewDisposeScope();
            var some = items.Some(chunk);
            var batch = RewardBatch.Of(head.Values(readings.Rows(some.TextOf, cancellation)), some.Labels, options);
            loss += batch.Loss.item<float>() * (double)chunk.Length;
            margin += batch.Margins.sum().item<double>();
            right.AddRange(batch.Right.data<double>());
            var values = batch.Values.to(ScalarType.Float64);
            reward += values.sum().item<double>();
            (least, most) = (Math.Min(least, values.min().item<double>()), Math.Max(most, values.max().item<double>()));
        }
        bool pairs = items.Labels is null;
        return new(interval ? Bootstrap.Mean(right) : new(right.Average(), double.NaN, double.NaN), loss / items.Count, margin / items.Count, pairs ? reward / items.TextOf.Length : null, pairs ? least : null, pairs ? most : null);
    }

    /// <summary>Gain and offset of each output, such that over these texts its mean is 0 and its standard deviation 1; where all are worth the same the gain is 1.</summary>
    private static (double[] Gain, double[] Offset) Normalisation(RewardHead head, RewardItems items, RewardReadings readings, CancellationToken cancellation)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var verdicts = cat(items.TextOf.Chunk(Chunk).Select(some => RewardHead.Verdicts(head.Values(readings.Rows(some, cancellation)))).ToList(), 0);
        double[] means = [.. verdicts.mean([0L]).data<double>()], deviations = [.. verdicts.std([0L], unbiased: false).data<double>()];
        if (!means.Concat(deviations).All(double.IsFinite)) throw new InvalidOperationException(
            "the rewards of the texts that it is measured on are not all finite. Use a lower learning_rate, or weights of more bits.");
        double[] gain = [.. deviations.Select(d => d > 0 ? 1 / d : 1)];
        return (gain, [.. means.Zip(gain, (m, g) => -m * g)]);
    }

    private static IReadOnlyList<RewardLatent> Latents(RewardHead head, Tensor mean, double gain, IReadOnlyList<string> classes)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        float[] means = [.. mean.data<float>()];
        return [.. Enumerable.Range(0, head.Outputs).SelectMany(output =>
        {
            float[] weights = [.. head.Weight[output].contiguous().data<float>()];
            return weights.Select((w, latent) => new RewardLatent(latent, classes.ElementAtOrDefault(output), w * gain, means[latent]))
                .OrderByDescending(l => Math.Abs(l.MeanContribution)).Take(LatentsShown).Where(l => l.MeanContribution != 0);
        })];
    }

    private void Check(RewardData train, RewardData heldOut)
    {
        if (train.Count == 0) throw new ArgumentException("there is nothing to learn from.", nameof(train));
        if (heldOut.Count > 0 && (heldOut.IsPairs != train.IsPairs || !heldOut.Classes.SequenceEqual(train.Classes))) throw new ArgumentException(
            $"the training data is {Kind(train)}, the held-out data {Kind(heldOut)}; both must be of one kind.", nameof(heldOut));
        if (train.Texts.Concat(heldOut.Texts).Max(t => t.Tokens.Length) is var longest && longest > model.Config.MaxSequenceLength) throw new ArgumentException(
            $"a text has {longest} tokens; the model's limit is {model.Config.MaxSequenceLength}. Lower sequence_length to that.", nameof(train));

        static string Kind(RewardData data) => data.IsPairs ? "pairs" : $"texts of the classes {string.Join(", ", data.Classes)}";
    }
}
