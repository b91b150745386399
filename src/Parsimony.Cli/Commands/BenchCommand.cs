using System.CommandLine;
using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using Parsimony.Bench;
using Parsimony.Cli.Runs;
using Parsimony.Native;

namespace Parsimony.Cli.Commands;

/// <summary>Options of <c>parsimony bench sae</c>.</summary>
internal sealed record BenchSaeOptions
{
    public SaeBenchOptions Bench { get; init; } = new();

    [Description("only tell the memory that training takes at the first shape and density; the benchmark calls itself so")]
    public bool PeakOnly { get; init; }
}

/// <summary>Options of <c>parsimony bench gpu</c>.</summary>
internal sealed record BenchGpuOptions
{
    public GpuBenchOptions Bench { get; init; } = new();

    [Description(DeviceOption.Text)]
    public string Device { get; init; } = "cuda";

    /// <summary>These options, checked.</summary>
    public BenchGpuOptions Validated()
    {
        DeviceOption.Ensure(Device);
        return this;
    }
}

/// <summary><c>parsimony bench</c>: how fast this machine trains, as ratios.</summary>
internal static class BenchCommand
{
    public static Command Create()
    {
        var bench = new Command("bench", "Measures speed and memory on this machine.");
        bench.Add(CliCommand.Create<BenchSaeOptions>(
            "sae", "Times a training step: plain autograd, hand-derived dense and ours, in turns.", Run,
            [
                "parsimony bench sae",
                "parsimony bench sae --shapes 512x16384 --densities 0.02,0.005 --json",
            ]));
        bench.Add(CliCommand.Create<BenchGpuOptions>(
            "gpu", "Times the article's training step on a GPU: autograd, hand-derived dense and active entries alone, in turns.", RunGpu,
            ["PARSIMONY_TORCH_LIB=/path/to/torch/lib parsimony bench gpu --shapes 4096x16384"]));
        bench.Add(CliCommand.Create<ArchitectureBenchOptions>(
            "architectures", "Times every architecture's training step: hand-derived dense and ours, in turns.", RunArchitectures,
            ["parsimony bench architectures --d-sae 16384 --l0 32"]));
        bench.Add(CliCommand.Create<PipelineBenchOptions>(
            "pipeline", "Tokens to a trained SAE, end to end, for a model of Pythia 70M's shape: ours and the loop written dense.", RunPipeline,
            ["parsimony bench pipeline --d-sae 2048"]));
        bench.Add(CliCommand.Create<HarvestBenchOptions>(
            "harvest", "Times the harvest of layer 1's MLP at Pythia 70M's shape: the straightforward forward, the products alone and ours; and a sweep over all layers.", RunHarvest,
            ["parsimony bench harvest", "parsimony bench harvest --json"]));
        bench.Add(CliCommand.Create<FinetuneBenchOptions>(
            "finetune", "Times fine-tuning the bundled model in its middle layer: what the kept prefix saves an SFT epoch and PPO's updates, and what the cache is worth in generation.", RunFinetune,
            ["parsimony bench finetune", "parsimony bench finetune --json"]));
        bench.Add(CliCommand.Create<IndexBenchOptions>(
            "index", "Times the making of a feature index beside the plain harvest of the same activations, and tells its size.", RunIndex,
            ["parsimony bench index --json", "parsimony bench index --d-sae 131072 --density 0.0005 --tokens 2048 --neighbours 0 --rounds 1"]));
        bench.Add(CliCommand.Create<ExplorerBenchOptions>(
            "explore", "Times the explorer over HTTP: pages, lists, prompts, texts as they are written, and many pages at once.", RunExplore,
            ["parsimony bench explore --json", "parsimony bench explore --d-sae 131072 --density 0.0005 --tokens 4096"]));
        return bench;
    }

    private static object RunExplore(ExplorerBenchOptions options, Terminal terminal)
    {
        options.Validated();
        using var model = LoadedModel.Open(null);
        var contexts = model.Pack(Path.Combine(model.Folder, "corpus.txt"), new(), 128, options.Tokens / 128);
        ExplorerBenchRow row;
        using (var progress = terminal.Progress("bench explore", options.Rounds + 1L, "rounds"))
            row = ExplorerBench.Measure(model.Model, model.Tokenizer, contexts, options, round => progress.Report(round), terminal.Interrupted).GetAwaiter().GetResult();
        var index = new IndexBenchOptions { Rounds = Math.Min(3, options.Rounds), MeasuredLatents = 0, Neighbours = 0 };
        using (var progress = terminal.Progress("bench index", index.Rounds + 1L, "rounds"))
            row = row with { IndexRatio = IndexBench.Measure(model.Model, contexts, index, round => progress.Report(round), terminal.Interrupted).IndexRatio };
        terminal.Table(["index/harvest#", "start ms#", "feature ms#", "list ms#", "prompt ms#", "generation ratio#", "tokens/s#", "loaded: prompt ms#", "page ms#", "tokens/s#", "last/first#", "foreign#"],
        [
            [Text(row.IndexRatio, "0.00"), Text(row.StartMilliseconds, "0"), Text(row.FeaturePageMilliseconds, "0.0"), Text(row.ListMilliseconds, "0.0"), Text(row.PromptMilliseconds, "0"), Text(row.GenerationRatio, "0.00"), Progress.Amount(row.GenerationTokensPerSecond),
                Text(row.LoadedPromptMilliseconds, "0"), Text(row.LoadedPageMilliseconds, "0"), Progress.Amount(row.LoadedTokensPerSecond), Text(row.FairnessRatio, "0.00"), Text(row.ForeignLoad, "0 %")],
        ]);
        return row;
    }

    private static object RunFinetune(FinetuneBenchOptions options, Terminal terminal)
    {
        options.Validated();
        using var model = LoadedModel.Open(null);
        FinetuneBenchRow row;
        using (var progress = terminal.Progress("bench finetune", options.Rounds + 1L, "rounds"))
            row = FinetuneBench.Measure(model.Model, options, round => progress.Report(round), terminal.Interrupted);
        terminal.Table(["hook", "SFT epoch kept/off#", "kept/batched#", "PPO update once/each#", "generation x#", "SFT tokens/s#", "generated tokens/s#", "foreign#"],
        [
            [row.Hook, Text(row.SftEpochRatio, "0.00"), Text(row.SftEpochRatioBatched, "0.00"), Text(row.PpoUpdateRatio, "0.00"), Text(row.GenerationRatio, "0.0"), Progress.Amount(row.SftTokensPerSecond),
                Progress.Amount(row.GenerationTokensPerSecond), Text(row.ForeignLoad, "0 %")],
        ]);
        return row;
    }

    private static object RunIndex(IndexBenchOptions options, Terminal terminal)
    {
        options.Validated();
        using var model = LoadedModel.Open(options.Model);
        var contexts = model.Pack(options.Text ?? Path.Combine(model.Folder, "corpus.txt"), new(), options.SequenceLength, options.Tokens / options.SequenceLength);
        IndexBenchRow row;
        using (var progress = terminal.Progress("bench index", options.Rounds + 1L, "rounds"))
            row = IndexBench.Measure(model.Model, contexts, options, round => progress.Report(round), terminal.Interrupted);
        terminal.Table(["index/harvest#", "index/harvest and encoder#", "whole/harvest#", "tokens/s#", "harvest tokens/s#", "bytes a latent#", "state MB#", "peak MB#", "foreign#"],
        [
            [Text(row.IndexRatio, "0.00"), Text(row.EncodedRatio, "0.00"), Text(row.BuildRatio, "0.00"), Progress.Amount(row.TokensPerSecond), Progress.Amount(row.HarvestTokensPerSecond),
                Text(row.BytesPerLatent, "0"), Text(row.StateBytes / 1e6, "0"), row.PeakBytes is { } peak ? Text(peak / 1e6, "0") : "-", Text(row.ForeignLoad, "0 %")],
        ]);
        return row;
    }

    private static object RunHarvest(HarvestBenchOptions options, Terminal terminal)
    {
        options.Validated();
        HarvestBenchRow row;
        using (var progress = terminal.Progress("bench harvest", options.Rounds + 1L, "rounds"))
            row = HarvestBench.Measure(options, round => progress.Report(round), terminal.Interrupted);
        terminal.Table(["straightforward ms#", "ours ms#", "products ms#", "straightforward/ours#", "x products#", "tokens/s#", "CPU ms per 1024, 1 thread#", "sweep/whole#", "distinct#", "foreign#"],
        [
            [Text(row.StraightforwardMilliseconds, "0.0"), Text(row.OursMilliseconds, "0.0"), Text(row.GemmMilliseconds, "0.0"), Text(row.RatioStraightforward, "0.00"), Text(row.TimesGemmLimit, "0.00"),
                Progress.Amount(row.TokensPerSecond), Text(row.CpuMsPer1024TokensOneThread, "0.0"), Text(row.SweepRatio, "0.00"), Text(row.DistinctTokens, "0 %"), Text(row.ForeignLoad, "0 %")],
        ]);
        return row;
    }

    private static object RunGpu(BenchGpuOptions options, Terminal terminal)
    {
        var (bench, device) = (options.Bench.Validated(), TorchDevice.Of(options.Device));
        var cells = bench.Cells();
        var rows = new List<GpuBenchRow>();
        using (var progress = terminal.Progress("bench gpu", cells.Count * (bench.Rounds + 1L), "rounds"))
            foreach (var (dModel, dSae, density) in cells)
                rows.Add(GpuBench.Measure(dModel, dSae, density, device, bench, round => progress.Report(rows.Count * (bench.Rounds + 1L) + round, $"{dModel}x{dSae}"), terminal.Interrupted));
        terminal.Table(["d_model x d_sae#", "density#", "autograd ms#", "dense ms#", "sparse ms#", "autograd/ours#", "dense/sparse#", "tokens/s#"],
            rows.Select(r => (string[])[$"{r.DModel}x{r.DSae}", Text(r.MeasuredDensity, "0.0###"), Text(r.AutogradMilliseconds, "0.00"), Text(r.DenseMilliseconds, "0.00"),
                Text(r.SparseMilliseconds, "0.00"), Text(r.RatioAutograd, "0.0"), Text(r.RatioDense, "0.00"), Progress.Amount(r.TokensPerSecond)]));
        return rows;
    }

    private static object RunArchitectures(ArchitectureBenchOptions options, Terminal terminal)
    {
        var cases = ArchitectureBench.Cases(options.Validated());
        var rows = new List<ArchitectureBenchRow>();
        using (var progress = terminal.Progress("bench architectures", cases.Count * (options.Rounds + 1L), "rounds"))
            foreach (var (name, training) in cases)
                rows.Add(ArchitectureBench.Measure(name, training, options, round => progress.Report(rows.Count * (options.Rounds + 1L) + round, name), terminal.Interrupted));
        terminal.Table(["architecture", "dense ms#", "ours ms#", "dense/ours#", "tokens/s#", "L0#", "foreign#"],
            rows.Select(r => (string[])[r.Architecture, Text(r.DenseMilliseconds, "0.0"), Text(r.OursMilliseconds, "0.0"), Text(r.RatioDense, "0.0"),
                Progress.Amount(r.TokensPerSecond), Text(r.L0, "0.0"), Text(r.ForeignLoad, "0 %")]));
        return rows;
    }

    private static object RunPipeline(PipelineBenchOptions options, Terminal terminal)
    {
        int[] sizes = [.. options.DSae.Split(',').Select(text => int.TryParse(text, out int size) && size > 0
            ? size
            : throw new ArgumentException($"'{text}' in d_sae is not a number of latents."))];
        var rows = new List<PipelineBenchRow>();
        using (var progress = terminal.Progress("bench pipeline", (long)sizes.Length * (options.Rounds + 1), "rounds"))
            foreach (int dSae in sizes)
                rows.Add(PipelineBench.Measure(dSae, options, round => progress.Report(rows.Count * (options.Rounds + 1L) + round, $"d_sae {dSae}"), terminal.Interrupted));
        terminal.Table(["d_sae#", "dense tokens/s#", "ours tokens/s#", "ours/dense#", "waits for harvest#", "harvest waits#", "foreign#"],
            rows.Select(r => (string[])[$"{r.DSae}", Progress.Amount(r.TokensPerSecondDense), Progress.Amount(r.TokensPerSecond), Text(r.Ratio, "0.0"),
                Text(r.WaitForActivations, "0 %"), Text(r.WaitForTraining, "0 %"), Text(r.ForeignLoad, "0 %")]));
        return rows;
    }

    private static object Run(BenchSaeOptions options, Terminal terminal)
    {
        var bench = options.Bench.Validated();
        if (options.PeakOnly)
        {
            var (dModel, dSae) = bench.ParsedShapes()[0];
            long? peak = SaeBench.MeasurePeak(dModel, dSae, bench.ParsedDensities()[0], bench.BatchTokens);
            terminal.Say($"{peak?.ToString(CultureInfo.InvariantCulture) ?? "unknown"}");
            return new { PeakBytes = peak };
        }
        var cells = bench.Cells();
        var rows = new List<SaeBenchRow>();
        using (var progress = terminal.Progress("bench sae", (long)cells.Count * (bench.Rounds + 1), "rounds"))
            foreach (var (dModel, dSae, density) in cells)
            {
                long done = (long)rows.Count * (bench.Rounds + 1);
                string name = $"{dModel}x{dSae} at {density.ToString(CultureInfo.InvariantCulture)}";
                progress.Report(done, name);
                rows.Add(SaeBench.Measure(dModel, dSae, density, bench, PeakOf(dModel, dSae, density, bench.BatchTokens),
                    round => progress.Report(done + round, name), terminal.Interrupted));
            }
        terminal.Table(["d_model x d_sae#", "density#", "autograd ms#", "dense ms#", "ours ms#", "autograd/ours#", "dense/ours#", "x limit#", "tokens/s#", "peak MB#", "GFLOP/s#", "foreign#"],
            rows.Select(r => (string[])[$"{r.DModel}x{r.DSae}", Text(r.Density, "0.###"), Text(r.AutogradMilliseconds, "0.0"), Text(r.DenseMilliseconds, "0.0"),
                Text(r.OursMilliseconds, "0.0"), Text(r.RatioAutograd, "0.0"), Text(r.RatioDense, "0.00"), Text(r.TimesLimit, "0.00"), Progress.Amount(r.TokensPerSecond),
                r.PeakBytes is { } peak ? Text(peak / 1e6, "0") : "-", Text(r.PeakGflops, "0"), Text(r.ForeignLoad, "0 %")]));
        return rows;
    }

    // In a process of its own: memory that a variant gave back would count as ours.
    private static long? PeakOf(int dModel, int dSae, double density, int batchTokens)
    {
        if (!OperatingSystem.IsLinux() || Environment.ProcessPath is not { } program || Assembly.GetEntryAssembly() != typeof(BenchCommand).Assembly) return null;
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, RedirectStandardError = true };
        if (Path.GetFileNameWithoutExtension(program) == "dotnet") start.ArgumentList.Add(typeof(BenchCommand).Assembly.Location);
        foreach (string argument in (string[])["bench", "sae", "--peak-only", "--shapes", $"{dModel}x{dSae}", "--densities",
            density.ToString(CultureInfo.InvariantCulture), "--batch-tokens", batchTokens.ToString(CultureInfo.InvariantCulture)])
            start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return long.TryParse(output.Trim(), out long peak) ? peak : null;
    }

    private static string Text(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
