using System.CommandLine;
using System.ComponentModel;
using Parsimony.Cli.Runs;
using Parsimony.Exploration.Index;
using Parsimony.Exploration.Labels;
using Parsimony.Reporting;
using Parsimony.Tokens;

namespace Parsimony.Cli.Commands;

/// <summary>Options of <c>parsimony show feature</c>.</summary>
internal sealed record ShowFeatureOptions
{
    [Positional]
    [Description("number of the latent, 0-based")]
    public required int Latent { get; init; }

    [Description("run folder whose index to look in")]
    public string Run { get; init; } = "runs/demo";

    [Description("contexts to show")]
    public int Contexts { get; init; } = 5;

    [Description("dial c to predict density and mean activation for")]
    public double? Scale { get; init; }

    [Description("dial d to predict them for")]
    public double? Shift { get; init; }
}

/// <summary><c>parsimony show</c>: what is in a run, on the terminal.</summary>
internal static class ShowCommand
{
    public static Command Create()
    {
        var show = new Command("show", "Shows what is in a run, on the terminal.");
        show.Add(CliCommand.Create<ShowFeatureOptions>(
            "feature", "Prints a latent's card from the run's index: how often it fires, on what, which tokens it speaks for, which latents are like it, and what labels say of it.", Feature,
            ["parsimony show feature 123 --run runs/demo", "parsimony show feature 123 --scale 0.5 --shift -0.1", "parsimony show feature 123 --json"], needsTorch: false));
        return show;
    }

    private static ShownFeature Feature(ShowFeatureOptions options, Terminal terminal)
    {
        if (options.Contexts < 0) throw new UsageException($"--contexts is {options.Contexts}; it must be 0 or more.");
        var run = RunFolder.Existing(options.Run);
        using var index = FeatureIndex.Open(run.Index);
        if (options.Latent < 0 || options.Latent >= index.DSae) throw new UsageException($"there is no latent {options.Latent}; this SAE has latents 0 to {index.DSae - 1}.");
        var tokenizer = Tokenizer.Load(ModelOfRun.Folder(run));
        index.EnsureBelongsTo(null, File.Exists(Path.Combine(run.Sae, "cfg.json")) ? Autoencoders.Formats.SaeFiles.Sha256(run.Sae) : null, tokenizer.Sha256);
        using var store = index.Header.SaeSha256 is { } sae ? LabelStore.OpenExisting(run.Folder, sae, index.DSae) : null;
        var feature = ShownFeature.Of(index, options.Latent, tokenizer, options.Scale, options.Shift, options.Contexts, store?.Get(options.Latent));
        FeatureCardText.Print(feature, terminal);
        return feature;
    }
}
