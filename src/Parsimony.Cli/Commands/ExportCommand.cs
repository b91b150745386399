using System.CommandLine;
using System.ComponentModel;
using Parsimony.Cli.Runs;
using Parsimony.Exploration;
using Parsimony.Exploration.Index;
using Parsimony.Explorer.Exporting;
using Parsimony.Files;
using Parsimony.Reporting;

namespace Parsimony.Cli.Commands;

/// <summary>Options of <c>parsimony export html</c>.</summary>
internal record ExportOptions
{
    [Positional]
    [Description("run folder with an index")]
    public required string Run { get; init; }

    [Description("folder that is written; the default is one in the run folder")]
    public string? Out { get; init; }

    [Description("features to export, those with the largest effect first; 0: all")]
    public int Count { get; init; } = 256;

    [Description("the features to export, by their numbers; not given: --count of them")]
    public int[] Latents { get; init; } = [];

    public WeightOptions Load { get; init; } = new();
}

/// <summary>Options of <c>parsimony export neuronpedia</c>.</summary>
internal sealed record NeuronpediaOptions : ExportOptions
{
    [Description("Neuronpedia's name of the model, such as pythia-70m-deduped; the default is the run's")]
    public string? ModelId { get; init; }

    [Description("Neuronpedia's name of the set of SAEs")]
    public string SaeSet { get; init; } = "parsimony";
}

/// <summary><c>parsimony export</c>: a run for those who do not have it.</summary>
internal static class ExportCommand
{
    /// <summary>The result of the export to Neuronpedia.</summary>
    internal sealed record Batches(string Folder, int Files, int Features);

    public static Command Create()
    {
        var export = new Command("export", "Writes a run's features for others: pages that open from disk, or the files that Neuronpedia takes in.");
        export.Add(CliCommand.Create<ExportOptions>("html", "Writes the explorer's pages as a folder that opens from disk: no server, no network.", Site,
            ["parsimony export html runs/demo", "parsimony export html runs/pythia --count 0 --out site"]));
        export.Add(CliCommand.Create<NeuronpediaOptions>("neuronpedia", "Writes features in the shape of SAEDashboard's batches, which Neuronpedia's converter takes in.", Neuronpedia,
            ["parsimony export neuronpedia runs/pythia --model-id pythia-70m-deduped --sae-set my-mlp-2k --count 0"]));
        return export;
    }

    private static ExportedSite Site(ExportOptions options, Terminal terminal)
    {
        var run = RunFolder.Existing(options.Run);
        int[] latents = Latents(options, run);
        string folder = options.Out ?? Path.Combine(run.Folder, "site");
        using var progress = terminal.Progress("export", latents.Length, "pages");
        var site = StaticSite.Write(ExploreCommand.Source(new ExploreOptions { Run = options.Run, Load = options.Load }), folder, latents, progress.From<int>(n => Math.Min(n, latents.Length)), terminal.Interrupted).GetAwaiter().GetResult();
        terminal.Facts([new("pages", $"{site.Pages}, of which {site.Features} are features"), new("on disk", ByteSize.Text(site.Bytes)), new("open", Path.Combine(folder, "index.html"))]);
        return site;
    }

    private static Batches Neuronpedia(NeuronpediaOptions options, Terminal terminal)
    {
        var run = RunFolder.Existing(options.Run);
        int[] latents = Latents(options, run);
        string folder = options.Out ?? Path.Combine(run.Folder, "neuronpedia");
        using var sae = LoadedSae.Open(options.Run, null, null, load: options.Load);
        using var index = FeatureIndex.Open(run.Index);
        index.EnsureBelongsTo(sae.Model.Model.Sha256, sae.Sha256, sae.Model.Tokenizer.Sha256);
        int files;
        using (var progress = terminal.Progress("export", latents.Length, "features"))
            files = NeuronpediaExport.Write(folder, index, latents, sae.Model.Model, sae.Sae, sae.Model.Tokenizer, options.ModelId ?? sae.Model.Name, options.SaeSet, progress.From<int>(n => n), terminal.Interrupted);
        terminal.Facts([new("features", $"{latents.Length} in {files} files"), new("folder", folder), new("next", "Neuronpedia's convert-saedashboard-to-neuronpedia-export takes this folder in")]);
        return new(folder, files, latents.Length);
    }

    private static int[] Latents(ExportOptions options, RunFolder run)
    {
        using var index = FeatureIndex.Open(run.Index);
        if (options.Count < 0) throw new UsageException($"--count is {options.Count}; it must be 0 (all) or more.");
        if (options.Latents.FirstOrDefault(i => (uint)i >= (uint)index.DSae, -1) is var wrong and not -1) throw new UsageException($"there is no latent {wrong}; this SAE has latents 0 to {index.DSae - 1}.");
        if (options.Latents.Length > 0) return [.. options.Latents.Distinct()];
        int[] all = LatentChoice.Strongest(index);
        return options.Count == 0 ? all : all[..Math.Min(all.Length, options.Count)];
    }
}
