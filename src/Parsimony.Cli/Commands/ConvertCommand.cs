using System.CommandLine;
using System.ComponentModel;
using Parsimony.Autoencoders.Formats;
using Parsimony.Models;

namespace Parsimony.Cli.Commands;

/// <summary><c>parsimony convert IN OUT --to FORMAT</c>: an SAE from one project's files to another's.</summary>
internal static class ConvertCommand
{
    private sealed record Options
    {
        [Positional]
        [Description("SAE folder or file of any known format")]
        public required string In { get; init; }

        [Positional]
        [Description("folder to write, or a .pt or .npz file; it must not be there yet")]
        public required string Out { get; init; }

        [Description("format to write")]
        public required SaeFormat To { get; init; }

        [Description("hook point of the SAE, where its file does not say it or says another project's word")]
        public HookPoint? Hook { get; init; }

        [Description("name of the model, where the file does not say it")]
        public string? ModelName { get; init; }

        [Description("where the format asks for it, rewrite the encoder's bias so that b_dec is (or is not) taken off its input: equal to rounding, not to the bit")]
        public bool FoldBDec { get; init; }
    }

    private sealed record Conversion
    {
        public required SaeFormat From { get; init; }
        public required SaeFormat To { get; init; }
        public required string Architecture { get; init; }
        public required int DModel { get; init; }
        public required int DSae { get; init; }
        public HookPoint? Hook { get; init; }
        public required IReadOnlyList<string> Files { get; init; }
        public required IReadOnlyList<string> LeftOut { get; init; }
    }

    /// <summary>The command.</summary>
    public static Command Create() => CliCommand.Create<Options>(
        "convert", "Rewrites an SAE in another project's format, or says what that format cannot express.", Run,
        [
            "parsimony convert runs/demo/sae exported --to dictionary_learning",
            "parsimony convert dictionaries/mlp_out_layer1/10_32768 pythia-sae --to saelens --hook blocks.1.mlp_out --model-name pythia-70m-deduped",
            "parsimony convert params.npz gemma-sae --to saelens --hook blocks.20.resid_post --json",
        ]);

    private static Conversion Run(Options options, Terminal terminal)
    {
        if (File.Exists(options.Out) || (Directory.Exists(options.Out) && Directory.EnumerateFileSystemEntries(options.Out).Any()))
            throw new IOException($"'{options.Out}' is there already; name a path that is not, or remove it first.");
        using var read = SaeFiles.Load(options.In);
        using var stored = Given(read, options);
        var files = SaeFiles.Save(options.Out, options.To, stored);
        var result = new Conversion
        {
            From = stored.From!.Value,
            To = options.To,
            Architecture = stored.Sae.Architecture,
            DModel = stored.Sae.DModel,
            DSae = stored.Sae.DSae,
            Hook = stored.Hook,
            Files = files,
            LeftOut = SaeKind.LeftOut(read, options.To),
        };
        terminal.Facts(
        [
            new("from", $"{options.In} ({Json(result.From)})"),
            new("to", $"{options.Out} ({Json(result.To)})"),
            new("SAE", $"{result.Architecture}, {result.DModel} to {result.DSae}, {result.Hook?.ToString() ?? "hook unknown"}"),
            new("files", string.Join(", ", files.Select(Path.GetFileName))),
            new("left out", result.LeftOut.Count == 0 ? "nothing" : string.Join("; ", result.LeftOut)),
        ]);
        return result;
    }

    private static StoredSae Given(StoredSae read, Options options)
    {
        var stored = read with { Hook = options.Hook ?? read.Hook, ModelName = options.ModelName ?? read.ModelName };
        return options.FoldBDec && SaeKind.FormOf(options.To, stored.Sae) is { } form ? SaeKind.Folded(stored, form) : stored;
    }

    private static string Json(SaeFormat format) => System.Text.Json.JsonNamingPolicy.SnakeCaseLower.ConvertName($"{format}");
}
