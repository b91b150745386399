using System.ComponentModel;
using System.Diagnostics;
using Parsimony.Activations;
using Parsimony.Autoencoders;
using Parsimony.Exploration.Index;
using Parsimony.Models;
using Parsimony.Tokens;
using Parsimony.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Bench;

/// <summary>What <c>parsimony bench index</c> measures.</summary>
public sealed record IndexBenchOptions
{
    /// <summary>Model folder; null: the bundled model. Default null.</summary>
    [Description("model folder; the default is the bundled one")]
    public string? Model { get; init; }

    /// <summary>Text; null: the bundled one. Default null.</summary>
    [Description("text; the default is the bundled one")]
    public string? Text { get; init; }

    /// <summary>Where the SAE sits. Default the article's site, <c>blocks.1.mlp_out</c>.</summary>
    [Description("where the SAE sits")]
    public HookPoint Hook { get; init; } = new(1, HookSite.MlpOut);

    /// <summary>Latents. Default 1536, the demo's.</summary>
    [Description("latents")]
    public int DSae { get; init; } = 1536;

    /// <summary>Share of latents that fire on a token. Default 0.025.</summary>
    [Description("share of the latents that fire on a token")]
    public double Density { get; init; } = 0.025;

    /// <summary>Tokens of a round. Default 131072.</summary>
    [Description("tokens of a round")]
    public int Tokens { get; init; } = 1 << 17;

    /// <summary>Tokens of a context. Default 128.</summary>
    [Description("tokens of a context")]
    public int SequenceLength { get; init; } = 128;

    /// <summary>Latents whose effect is measured. Default 0: the time for it is that of so many passes of the rest of the model.</summary>
    [Description("latents whose effect is measured")]
    public int MeasuredLatents { get; init; }

    /// <summary>Neighbours kept. Default 8; 0 leaves out both searches, the one by decoder rows taking d_sae² · d_model multiply-adds.</summary>
    [Description("neighbours to keep")]
    public int Neighbours { get; init; } = 8;

    /// <summary>Rounds, after one to warm up. Default 7.</summary>
    [Description("rounds, after one to warm up")]
    public int Rounds { get; init; } = 7;

    /// <summary>Returns these options, or says everything that is wrong with them.</summary>
    /// <exception cref="ArgumentException">One or more values are out of range.</exception>
    public IndexBenchOptions Validated()
    {
        var faults = new OptionFaults();
        faults.Check(DSae >= 1, "d_sae", DSae, "1 or more");
        faults.Check(Density is > 0 and < 1, "density", Density, "above 0 and below 1");
        faults.Check(SequenceLength >= 2, "sequence_length", SequenceLength, "2 or more");
        faults.Check(Tokens >= SequenceLength, "tokens", Tokens, "one context or more");
        faults.Check(MeasuredLatents >= 0, "measured_latents", MeasuredLatents, "0 or more");
        faults.Check(Neighbours is >= 0 and <= 1000, "neighbours", Neighbours, "0 to 1000");
        faults.Check(Rounds >= 1, "rounds", Rounds, "1 or more");
        faults.ThrowIfAny("The benchmark's options");
        return this;
    }
}

/// <summary>The making of a feature index beside the plain harvest of the same activations, in turns.</summary>
/// <param name="IndexRatio">Median over rounds of the harvest's time by that of the index's pass: its speed as a share of the harvest's.</param>
/// <param name="CpuRatio">The same by the processor time of both, which what the machine does besides touches less.</param>
/// <param name="EncodedRatio">The same with the SAE's encoder in the harvest: what nobody who looks at latents can do without.</param>
/// <param name="EncodedCpuRatio">That by processor time.</param>
/// <param name="BuildRatio">The harvest's time by that of the whole index: pass, direct logits, neighbours, effects, files.</param>
/// <param name="BytesPerLatent">On disk, the text's tokens left out.</param>
/// <param name="TokensPerSecond">The pass.</param>
/// <param name="HarvestTokensPerSecond">The plain harvest.</param>
/// <param name="BuildSeconds">The whole index, median.</param>
/// <param name="StageSeconds">Of the last round, by stage.</param>
/// <param name="StateBytes">Memory set aside for what is known of the latents, most of which is never touched.</param>
/// <param name="PeakBytes">Resident memory of the process at most, by that before the SAE was made; null where the system does not tell.</param>
/// <param name="ForeignLoad">Share of the cores' time that other processes took.</param>
public sealed record IndexBenchRow(double IndexRatio, double CpuRatio, double EncodedRatio, double EncodedCpuRatio, double BuildRatio, double BytesPerLatent, double TokensPerSecond, double HarvestTokensPerSecond, double BuildSeconds,
    IReadOnlyDictionary<string, double> StageSeconds, long StateBytes, long? PeakBytes, double ForeignLoad);

/// <summary>Times the making of a feature index.</summary>
public static class IndexBench
{
    private const int BatchContexts = 32;

    /// <summary>Measures.</summary>
    /// <param name="model">The model.</param>
    /// <param name="contexts">Its text.</param>
    /// <param name="options">Shape and rounds.</param>
    /// <param name="roundDone">Told after each round.</param>
    /// <param name="cancellation">Stops between two rounds.</param>
    public static IndexBenchRow Measure(
        Transformer model, IReadOnlyList<int[]> contexts, IndexBenchOptions options, Action<int>? roundDone = null, CancellationToken cancellation = default)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        string folder = Directory.CreateTempSubdirectory("parsimony-bench-").FullName;
        try
        {
            long? before = ResidentMemory.Now();
            using var sae = Sae(model, contexts, options);
            var rounds = new List<(Span Harvest, Span Encoded, Span Pass, double Build)>();
            var stages = new Stages();
            var load = new ForeignLoad();
            (IndexHeader? Header, long State) made = default;
            for (int round = -1; round < options.Rounds; round++)
            {
                cancellation.ThrowIfCancellationRequested();
                if (round == 0) load = new ForeignLoad(); // round -1 warms up
                var (harvest, encoded) = (Harvest(model, options.Hook, contexts, null), Harvest(model, options.Hook, contexts, sae));
                Directory.Delete(folder, recursive: true);
                var clock = Stopwatch.StartNew();
                stages = new Stages();
                using (var builder = new FeatureIndexBuilder(folder, model, options.Hook, sae, contexts, new("bench"), new() { BatchContexts = BatchContexts, MeasuredLatents = options.MeasuredLatents, Neighbours = options.Neighbours }))
                    made = (builder.Build(stages, cancellation), builder.StateBytes);
                if (round >= 0) rounds.Add((harvest, encoded, stages.Pass, clock.Elapsed.TotalSeconds));
                roundDone?.Invoke(round + 1);
            }
            double Middle(Func<(Span Harvest, Span Encoded, Span Pass, double Build), double> of) => Median.Of(rounds.Select(of));
            double tokens = contexts.Count * (double)contexts[0].Length;
            return new(Middle(r => r.Harvest.Wall / r.Pass.Wall), Middle(r => r.Harvest.Cpu / r.Pass.Cpu), Middle(r => r.Encoded.Wall / r.Pass.Wall), Middle(r => r.Encoded.Cpu / r.Pass.Cpu),
                Middle(r => r.Harvest.Wall / r.Build), (double)made.Header!.Bytes / options.DSae,
                tokens / Middle(r => r.Pass.Wall), tokens / Middle(r => r.Harvest.Wall), Middle(r => r.Build), stages.Seconds, made.State, ResidentMemory.Peak() - before, load.Share());
        }
        finally
        {
            if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        }
    }

    private static Span Harvest(Transformer model, HookPoint at, IReadOnlyList<int[]> contexts, StandardSae? sae)
    {
        Thread.Sleep(5); // until the other variant's threads have stopped spinning
        var clock = new Clock();
        int length = contexts[0].Length;
        var source = new Harvester(model, [at], contexts, BatchContexts);
        using var rows = empty(BatchContexts * length, model.Width(at.Site));
        var into = new Dictionary<HookPoint, Tensor> { [at] = rows };
        for (int first = 0; first < contexts.Count; first += BatchContexts)
        {
            int count = Math.Min(BatchContexts, contexts.Count - first);
            source.Read([.. Enumerable.Range(first, count).Select(c => (long)c)], into, CancellationToken.None);
            for (int c = 0; sae is not null && c < count; c += Chunk(sae, length))
            {
                using var some = rows.narrow(0, (long)c * length, (long)Math.Min(Chunk(sae, length), count - c) * length);
                sae.Encode(some).Dispose();
            }
        }
        return clock.Now;
    }

    // As many contexts as the index encodes at a time.
    private static int Chunk(StandardSae sae, int length) => (int)Math.Clamp((1 << 20) / ((long)length * sae.DSae), 1, BatchContexts);

    /// <summary>A random SAE whose latents fire on the wanted share of the tokens of the first batch, each with a bias of its own.</summary>
    private static StandardSae Sae(Transformer model, IReadOnlyList<int[]> contexts, IndexBenchOptions options)
    {
        using var scope = NewDisposeScope();
        using var born = StandardSae.Create(model.Width(options.Hook.Site), options.DSae, seed: 1);
        var x = model.Activations(options.Hook, ContextPacker.ToTensor([.. contexts.Take(BatchContexts)])).reshape(-1, born.DModel);
        x = x[randperm(x.size(0))[..Math.Min(512, (int)x.size(0))]];
        var bias = zeros(options.DSae);
        int rank = Math.Max(1, (int)Math.Round(options.Density * x.size(0)));
        const int some = 4096; // latents at a time
        for (long first = 0; first < options.DSae; first += some)
        {
            using var inner = NewDisposeScope();
            long n = Math.Min(some, options.DSae - first);
            bias.narrow(0, first, n).copy_(-(x.matmul(born.WEnc.narrow(1, first, n)).topk(rank, 0).values[rank - 1]!));
        }
        return new StandardSae(born.WEnc, born.WDec, bias, born.BDec);
    }

    private sealed class Stages : IProgress<IndexProgress>
    {
        private readonly Clock clock = new();
        private double before;

        public Span Pass { get; private set; }

        public Dictionary<string, double> Seconds { get; } = [];

        public void Report(IndexProgress value)
        {
            if (value.Done < value.Total) return;
            if (Seconds.Count == 0) Pass = clock.Now; // the first stage
            Seconds[value.Stage] = clock.Now.Wall - before;
            before = clock.Now.Wall;
        }
    }

    /// <summary>Seconds, by the clock and of the process's threads.</summary>
    private readonly record struct Span(double Wall, double Cpu);

    private sealed class Clock
    {
        private readonly Span start = Read();

        public Span Now => Read() is var now ? new(now.Wall - start.Wall, now.Cpu - start.Cpu) : default;

        private static Span Read() => new(Stopwatch.GetTimestamp() / (double)Stopwatch.Frequency, Environment.CpuUsage.TotalTime.TotalSeconds);
    }
}
