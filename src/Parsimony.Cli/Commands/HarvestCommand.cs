using System.CommandLine;
using System.ComponentModel;
using System.Diagnostics;
using Parsimony.Activations;
using Parsimony.Cli.Runs;
using Parsimony.Files;
using Parsimony.Models;
using Parsimony.Native;
using Parsimony.Text;

namespace Parsimony.Cli.Commands;

/// <summary>Options of <c>parsimony harvest</c>.</summary>
internal sealed record HarvestOptions
{
    [Description("model folder in the Hugging Face layout")]
    public required string Model { get; init; }

    [Description(TrainOptions.Tuned)]
    public string? Adapter { get; init; }

    [Description("text to harvest activations from: a file, folder or pattern of .txt, .jsonl, .parquet or .pgn")]
    public required string Text { get; init; }

    [Description("where to read, one or more: blocks.<layer>.<site>; one pass of the model serves them all")]
    public HookPoint[] Hook { get; init; } = [new(1, HookSite.MlpOut)];

    [Description("folder of the cache; the same command on the same folder goes on where it stopped")]
    public required string Out { get; init; }

    [Description("tokens per context (the article: 128)")]
    public int SequenceLength { get; init; } = 128;

    [Description(TrainOptions.HeldOut)]
    public double HeldOutFraction { get; init; }

    [Description("tokens to harvest at most; none: the whole text")]
    public long? MaxTokens { get; init; }

    [Description("where the model runs: cpu | cuda | cuda:N (a GPU, with a libtorch that has CUDA)")]
    public string Device { get; init; } = TorchDevice.Cpu;

    [Description("print disk, memory and time needed, and do nothing")]
    public bool Plan { get; init; }

    public TextOptions Corpus { get; init; } = new();

    public WeightOptions Load { get; init; } = new();

    public ActivationCacheOptions Cache { get; init; } = new();

    /// <summary>Returns these options, or says what is wrong.</summary>
    /// <exception cref="ArgumentException">The held-out fraction is out of its range, or the device has no such name.</exception>
    public HarvestOptions Validated()
    {
        DeviceOption.Ensure(Device);
        return HeldOutFraction == 0 || TextSplit.IsPossible(HeldOutFraction) ? this : throw TrainOptions.HeldOutFault(HeldOutFraction);
    }
}

/// <summary><c>parsimony harvest</c>: activations to disk, to be trained on without the text or the model.</summary>
internal static class HarvestCommand
{
    /// <summary>The command's result.</summary>
    internal sealed record Harvested(string Cache, IReadOnlyList<string> Hooks, long Tokens, long Bytes, double Seconds, CachePrecision Precision,
        string? ModelSha256, string? TokenizerSha256, string? AdapterSha256);

    public static Command Create() => CliCommand.Create<HarvestOptions>(
        "harvest", "Runs a model over a text and keeps its activations on disk, for 'train --cache'.", Run,
        [
            "parsimony harvest --model pythia-70m --text openwebtext.jsonl.gz --hook blocks.1.mlp_out blocks.3.mlp_out --out caches/pythia",
            "parsimony harvest --model pythia-70m --adapter runs/pythia --text openwebtext.jsonl.gz --out caches/pythia-tuned",
            "parsimony harvest --config harvest.json --precision fp32 --plan",
        ]);

    private static object Run(HarvestOptions options, Terminal terminal)
    {
        var clock = Stopwatch.StartNew();
        if (options.MaxTokens is { } most && most < options.SequenceLength)
            throw new UsageException($"--max-tokens is {most}; it must be one context ({options.SequenceLength}) or more.");
        if (options.Plan && Absences.OrNull(options.Model, options.Text, options.Corpus) is { } absences) return PlanWithoutData(options, absences, terminal);
        using var model = LoadedModel.Open(options.Model, options.Device, options.Load);
        if (options.Adapter is { } adapter) model.Attach(adapter);
        model.EnsureHas(options.Hook);
        var contexts = model.PackTraining(options.Text, options.Corpus, options.SequenceLength, options.HeldOutFraction,
            (int?)Math.Min(int.MaxValue, options.MaxTokens / options.SequenceLength ?? int.MaxValue));
        var source = new Harvester(model.Model, options.Hook, contexts, options.Cache.HarvestBatchContexts);
        var origin = new CacheOrigin(model.Name, model.Model.Sha256, model.Tokenizer.Sha256, Path.GetFileName(options.Text), options.Text, options.HeldOutFraction, options.Corpus, model.Model.Storage,
            model.Model.AttachedSha256, model.AdapterFolder is { } folder ? Path.GetFullPath(folder) : null);
        terminal.Note(model.Notes);

        var begun = ActivationCache.Begun(options.Out, ActivationCache.Plan(source, contexts, options.Cache, origin));
        var plan = Plans.Harvest(model.Model.Config, source, begun, options, model.AdapterBytes);
        if (options.Plan) return Measured(plan, source, options, terminal);
        plan.Ensure("The harvest", options.Out);
        long already = begun.Shards.Sum(s => (long)s.Contexts) * begun.SequenceLength;
        terminal.WhenInterrupted = $"Finished shards are in {options.Out}; the same command goes on after them.";
        ActivationCacheManifest written;
        using (var progress = terminal.Progress("harvest", begun.Tokens, "tokens", already))
            written = ActivationCache.Write(options.Out, source, contexts, options.Cache, origin, progress.From<long>(tokens => tokens),
                cancellation: terminal.Interrupted);
        long bytes = Directory.EnumerateFiles(options.Out).Sum(file => new FileInfo(file).Length);
        terminal.Say($"{ByteSize.Text(bytes)} in {options.Out}; next: parsimony train --cache {options.Out} --hook {options.Hook[0]}");
        return new Harvested(options.Out, [.. written.Hooks.Select(h => h.Hook.ToString())], written.Tokens, bytes, Math.Round(clock.Elapsed.TotalSeconds, 2),
            written.Precision, written.ModelSha256, written.TokenizerSha256, written.AdapterSha256);
    }

    /// <summary>The plan where the model or the text are not on this machine.</summary>
    private static ResourcePlan PlanWithoutData(HarvestOptions options, Absences absences, Terminal terminal)
    {
        if (options.MaxTokens is not { } tokens) throw new UsageException(
            "How many tokens the text has cannot be known before model and text are here; say with --max-tokens how many to plan for.");
        var source = AbsentModel.Of(absences.Config, options.Hook, tokens - tokens % options.SequenceLength, options.SequenceLength, TorchDevice.Of(options.Device));
        var origin = new CacheOrigin(options.Model, null, null, null, options.Text, options.HeldOutFraction, options.Corpus);
        var begun = ActivationCache.Plan(source, [new int[options.SequenceLength]], options.Cache, origin) with { Contexts = source.Contexts };
        return Measured(Plans.Harvest(absences.Config, source, begun, options).With(absences), source, options, terminal);
    }

    private static ResourcePlan Measured(ResourcePlan plan, IContextActivations source, HarvestOptions options, Terminal terminal)
    {
        if (plan.MemoryBytes <= plan.MemoryFree) plan = plan.Measured(source, [], isReadOnce: true, options.Cache.HarvestBatchContexts, terminal.Interrupted);
        plan.Print(terminal);
        return plan;
    }
}
