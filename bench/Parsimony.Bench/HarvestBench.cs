using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json.Serialization;
using Parsimony.Autoencoders;
using Parsimony.Evaluation;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tokens;
using Parsimony.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Bench;

/// <summary>What <c>parsimony bench harvest</c> measures.</summary>
public sealed record HarvestBenchOptions
{
    /// <summary>Contexts of a batch. Default 8.</summary>
    [Description("contexts of a batch")]
    public int BatchContexts { get; init; } = 8;

    /// <summary>Tokens of a context. Default 128.</summary>
    [Description("tokens of a context")]
    public int SequenceLength { get; init; } = 128;

    /// <summary>Text whose tokens are run, with <see cref="Tokenizer"/>; null: ids drawn as often as words of a language are (Zipf and Mandelbrot: p ~ 1 / (rank + 2.7)). Default null.</summary>
    [Description("text whose tokens are run; without one they are drawn as often as words of a language are")]
    public string? Text { get; init; }

    /// <summary>Folder of the tokenizer.json that belongs to the text. Default null.</summary>
    [Description("folder of the tokenizer.json for --text")]
    public string? Tokenizer { get; init; }

    /// <summary>Rounds, after one to warm up. Default 21.</summary>
    [Description("rounds, after one to warm up")]
    public int Rounds { get; init; } = 21;

    /// <summary>Returns these options, or says everything that is wrong with them.</summary>
    /// <exception cref="ArgumentException">One or more values are out of range.</exception>
    public HarvestBenchOptions Validated()
    {
        var faults = new OptionFaults();
        faults.Check(BatchContexts >= 1, "batch_contexts", BatchContexts, "1 or more");
        faults.Check(SequenceLength is >= 2 and <= 2048, "sequence_length", SequenceLength, "2 to 2048");
        faults.Check(Rounds >= 1, "rounds", Rounds, "1 or more");
        faults.Check(Text is null == Tokenizer is null, "tokenizer", Tokenizer ?? "not set", "given with a text, and a text with it");
        faults.ThrowIfAny("The benchmark's options");
        return this;
    }
}

/// <summary>The harvest of <c>blocks.1.mlp_out</c> at Pythia 70M's shape.</summary>
/// <param name="RatioStraightforward">Median over rounds of the straightforward forward's time by ours.</param>
/// <param name="TimesGemmLimit">Our median time by that of the matrix products alone that are needed.</param>
/// <param name="TokensPerSecond">Ours.</param>
/// <param name="CpuMsPer1024TokensOneThread">Processor time that 1,024 tokens take with one thread, milliseconds, median.</param>
/// <param name="SweepRatio">Median time of a sweep over all layers by that of as many whole forward passes and losses, one per layer and variant.</param>
/// <param name="OursMilliseconds">Median time of a batch.</param>
/// <param name="StraightforwardMilliseconds">Median time of a batch.</param>
/// <param name="GemmMilliseconds">Median time of the products.</param>
/// <param name="DistinctTokens">Share of the batch's tokens that are different from each other.</param>
/// <param name="ForeignLoad">Share of the cores' time that other processes took.</param>
public sealed record HarvestBenchRow(double RatioStraightforward, double TimesGemmLimit, double TokensPerSecond,
    [property: JsonPropertyName("cpu_ms_per_1024_tokens_one_thread")] double CpuMsPer1024TokensOneThread, double SweepRatio,
    double OursMilliseconds, double StraightforwardMilliseconds, double GemmMilliseconds, double DistinctTokens, double ForeignLoad);

/// <summary>Times the harvest beside the straightforward forward and beside the products alone, in turns; and the sweep of an SAE over all layers.</summary>
public static class HarvestBench
{
    private static readonly HookPoint Hook = new(1, HookSite.MlpOut);

    /// <summary>Measures.</summary>
    /// <param name="options">Shape and rounds.</param>
    /// <param name="roundDone">Told after each round.</param>
    /// <param name="cancellation">Stops between two rounds.</param>
    public static HarvestBenchRow Measure(HarvestBenchOptions options, Action<int>? roundDone = null, CancellationToken cancellation = default)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        using var source = new RandomPythia();
        using var model = new Transformer(RandomPythia.Config, new RandomPythia());
        int[][] contexts = Contexts(options);
        int distinct = contexts.SelectMany(c => c).Distinct().Count();
        using var straightforward = new StraightforwardHarvest(RandomPythia.Config, source, options.SequenceLength);
        var products = new NeededProducts(RandomPythia.Config, options.BatchContexts, options.SequenceLength, distinct);
        var tokens = tensor(contexts.SelectMany(c => c).Select(id => (long)id).ToArray()).view(options.BatchContexts, options.SequenceLength);
        using var sae = StandardSae.Create(RandomPythia.Config.DModel, 2048, seed: 0);

        var rounds = new List<(double Straightforward, double Ours, double Gemm, double Cpu)>();
        var sweeps = new List<double>();
        var load = new ForeignLoad();
        for (int round = -1; round < options.Rounds; round++)
        {
            cancellation.ThrowIfCancellationRequested();
            if (round == 0) load = new ForeignLoad(); // round -1 warms up
            var times = (Time(() => straightforward.Run(tokens)), Time(() => model.Activations(Hook, tokens)), Time(products.Run), Cpu(() => model.Activations(Hook, tokens)));
            if (round >= 0) rounds.Add(times);
            if (round is >= 0 and < 3) sweeps.Add(SweepRatio(model, sae, contexts, tokens));
            roundDone?.Invoke(round + 1);
        }
        double Middle(Func<(double Straightforward, double Ours, double Gemm, double Cpu), double> of) => Median.Of(rounds.Select(of));
        double perBatch = options.BatchContexts * (double)options.SequenceLength;
        return new(Middle(r => r.Straightforward / r.Ours), Middle(r => r.Ours) / Middle(r => r.Gemm), perBatch / Middle(r => r.Ours), 1e3 * Middle(r => r.Cpu) * 1024 / perBatch,
            Median.Of(sweeps), 1e3 * Middle(r => r.Ours), 1e3 * Middle(r => r.Straightforward), 1e3 * Middle(r => r.Gemm), distinct / perBatch, load.Share());
    }

    /// <summary>How far the straightforward forward's activations are from ours: both must be the same mathematics.</summary>
    /// <returns>Largest absolute difference, by the largest activation.</returns>
    public static double LargestDifference()
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        using var source = new RandomPythia();
        using var model = new Transformer(RandomPythia.Config, new RandomPythia());
        using var straightforward = new StraightforwardHarvest(RandomPythia.Config, source, 16);
        var tokens = arange(32, ScalarType.Int64).view(2, 16);
        var ours = model.Activations(Hook, tokens);
        return ((straightforward.Run(tokens) - ours).abs().max() / ours.abs().max()).item<float>();
    }

    private static double SweepRatio(Transformer model, StandardSae sae, int[][] contexts, Tensor tokens)
    {
        double sweep = Time(() => { LayerSweep.Run(model, HookSite.MlpOut, sae, contexts, contexts.Length); return null; });
        double whole = Time(() =>
        {
            for (int layer = 0; layer < model.Config.NLayers; layer++)
                foreach (var tap in (Tap[])[Taps.Splice(new(layer, HookSite.MlpOut), sae), Taps.ZeroAblate(new(layer, HookSite.MlpOut))])
                {
                    using var inner = NewDisposeScope();
                    NextTokenLoss.Mean(model.Forward(tokens, tap), tokens);
                }
            return null;
        });
        return sweep / whole;
    }

    private static double Time(Func<Tensor?> run)
    {
        Thread.Sleep(5); // until the other variant's threads have stopped spinning
        var clock = Stopwatch.StartNew();
        using var result = run();
        return clock.Elapsed.TotalSeconds;
    }

    // One thread's processor time; what others do besides does not count.
    private static double Cpu(Func<Tensor> run)
    {
        int threads = get_num_threads();
        set_num_threads(1);
        try
        {
            run().Dispose();
            using var process = Process.GetCurrentProcess();
            var before = process.TotalProcessorTime;
            run().Dispose();
            process.Refresh();
            return (process.TotalProcessorTime - before).TotalSeconds;
        }
        finally
        {
            set_num_threads(threads);
        }
    }

    private static int[][] Contexts(HarvestBenchOptions options)
    {
        if (options.Text is not null)
            return [.. ContextPacker.PackFile(options.Text, Tokenizer.Load(options.Tokenizer!), options.SequenceLength, limit: options.BatchContexts)];
        const double offset = 2.7;
        var random = new Random(1);
        double[] upTo = new double[RandomPythia.Config.DVocab]; // sum of the probabilities up to a rank
        for (int rank = 0; rank < upTo.Length; rank++) upTo[rank] = (rank > 0 ? upTo[rank - 1] : 0) + 1 / (rank + 1 + offset);
        int Draw() => Math.Min(upTo.Length - 1, Array.BinarySearch(upTo, random.NextDouble() * upTo[^1]) is var at && at < 0 ? ~at : at);
        return [.. Enumerable.Range(0, options.BatchContexts).Select(_ => Enumerable.Range(0, options.SequenceLength).Select(_ => Draw()).ToArray())];
    }

    /// <summary>The matrix products that the harvest cannot do without: layer 0's, where they depend on the token alone once for each different token, and layer 1's MLP; into places that are there
    /// already. Belongs to the scope it is made in.</summary>
    private sealed class NeededProducts
    {
        private readonly List<(Tensor A, Tensor B, Tensor To)> plain = [];
        private readonly List<(Tensor A, Tensor B)> batched = [];

        public NeededProducts(GptNeoXConfig c, int contexts, int length, int distinct)
        {
            int tokens = contexts * length, heads = contexts * c.NHeads, head = c.DModel / c.NHeads;
            foreach (var (rows, from, to) in ((int, int, int)[])
                [(distinct, c.DModel, 3 * c.DModel), (tokens, c.DModel, c.DModel), (distinct, c.DModel, c.DMlp), (distinct, c.DMlp, c.DModel), (tokens, c.DModel, c.DMlp), (tokens, c.DMlp, c.DModel)])
                plain.Add((randn(rows, from), randn(to, from).t(), empty(rows, to)));
            batched.Add((randn(heads, length, head), randn(heads, length, head).transpose(1, 2)));
            batched.Add((randn(heads, length, length), randn(heads, length, head)));
        }

        public Tensor? Run()
        {
            foreach (var (a, b, to) in plain) to.addmm_(a, b, 0, 1);
            foreach (var (a, b) in batched) a.bmm(b).Dispose(); // no such product in place
            return null;
        }
    }
}
