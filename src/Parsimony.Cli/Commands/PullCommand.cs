using System.CommandLine;
using System.ComponentModel;
using Parsimony.Files.Hub;
using Parsimony.Text;

namespace Parsimony.Cli.Commands;

/// <summary><c>parsimony pull NAME</c>: a model or a data set from the hub into the cache.</summary>
internal static class PullCommand
{
    private sealed record Options
    {
        [Positional]
        [Description("owner/name of the hub, or owner/name@revision")]
        public required string Name { get; init; }

        [Description("branch, tag or commit [default: main]")]
        public string? Revision { get; init; }

        [Description("a data set, not a model")]
        public bool Dataset { get; init; }

        [Description("files to fetch, as patterns such as 'data/train-*'; without any, what is needed: config, tokenizer and weights, or the texts of a data set")]
        public string[] Include { get; init; } = [];
    }

    private sealed record Result(string Name, string Revision, string Commit, string Folder, int Files, long Bytes, long FetchedBytes);

    public static Command Create() => CliCommand.Create<Options>(
        "pull", "Fetches a model or a data set from the Hugging Face hub into its cache, which other tools share.", Run,
        [
            "parsimony pull EleutherAI/pythia-70m-deduped",
            "parsimony pull EleutherAI/pythia-70m-deduped --revision step3000",
            "parsimony pull Skylion007/openwebtext --dataset --include '*train-0000*'",
            "parsimony train --model EleutherAI/pythia-70m-deduped --text Skylion007/openwebtext",
        ], needsTorch: false);

    private static Result Run(Options options, Terminal terminal)
    {
        var name = HubName.ParseOrNull(options.Name, options.Dataset ? HubKind.Dataset : HubKind.Model)
            ?? throw new UsageException($"'{options.Name}' is not a name of the hub. Write owner/name, such as EleutherAI/pythia-70m-deduped, or owner/name@revision.");
        if (options.Revision is { } revision) name = HubName.ParseOrNull($"{name.Id}@{revision}", name.Kind)
            ?? throw new UsageException($"--revision is '{revision}'; expected a branch, a tag or a commit.");
        terminal.WhenInterrupted = "What has arrived is kept; the same command goes on.";
        Progress? bar = null;
        try
        {
            var shown = new Shown(p => (bar ??= terminal.Progress("pull", p.Total, "bytes", p.Already)).Report(p.Bytes));
            var pulled = HubPull.Run(name, HubSettings.FromEnvironment(), files => Choose(options, files), shown, terminal.Interrupted).GetAwaiter().GetResult();
            bar?.Dispose();
            bar = null;
            terminal.Say($"{pulled.Files} files of {name} are in {pulled.Folder}; name it {name} wherever a {(options.Dataset ? "text" : "model")} is asked for.");
            return new Result(name.Id, name.Revision, pulled.Commit, pulled.Folder, pulled.Files, pulled.Bytes, pulled.FetchedBytes);
        }
        finally
        {
            bar?.Dispose();
        }
    }

    private static IReadOnlyList<HubFile> Choose(Options options, IReadOnlyList<HubFile> files)
    {
        if (options.Include.Length == 0) return options.Dataset ? [.. files.Where(f => TextFile.IsText(f.Path))] : HubFile.OfModel(files);
        var patterns = options.Include.Select(Corpus.Pattern).ToList();
        return [.. files.Where(f => patterns.Exists(p => p.IsMatch(f.Path)))];
    }

    private sealed class Shown(Action<HubProgress> show) : IProgress<HubProgress>
    {
        public void Report(HubProgress value) => show(value);
    }
}
