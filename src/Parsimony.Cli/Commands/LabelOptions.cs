using System.ComponentModel;
using System.Globalization;
using Parsimony.Cli.Runs;
using Parsimony.Exploration.Labels;
using Parsimony.Exploration.Labels.Explain;
using Parsimony.Native;

namespace Parsimony.Cli.Commands;

/// <summary>Options of <c>parsimony label</c>.</summary>
internal sealed record LabelOptions
{
    [Positional]
    [Description("run folder whose index to label")]
    public required string Run { get; init; }

    [Description("latents to label; the default is all that fire")]
    public int[] Latents { get; init; } = [];

    [Description("label so many latents, those with the largest measured effect first; the default is all")]
    public int? Count { get; init; }

    [Description("label again what is labelled already")]
    public bool Again { get; init; }

    [Description("a label of your own, as LATENT=TEXT; an empty text takes it away")]
    public string[] Set { get; init; } = [];

    [Description("a note of your own, as LATENT=TEXT; an empty text takes it away")]
    public string[] Note { get; init; } = [];

    [Description("mark latents with a star")]
    public int[] Star { get; init; } = [];

    [Description("take their stars away")]
    public int[] Unstar { get; init; } = [];

    [Description("model folder; a run folder knows its own")]
    public string? Model { get; init; }

    [Description(DeviceOption.Text)]
    public string Device { get; init; } = TorchDevice.Cpu;

    public WeightOptions Load { get; init; } = new();

    public LabellingOptions Labelling { get; init; } = new();

    public ExplainerOptions Explainer { get; init; } = new();

    /// <summary>Whether something is to be written by hand.</summary>
    internal bool HasHandEdits => Set.Length + Note.Length + Star.Length + Unstar.Length > 0;

    /// <summary>Whether labels are to be made: always, unless there are only edits by hand.</summary>
    internal bool MakesLabels => !HasHandEdits || Latents.Length > 0 || Count is not null;

    /// <summary>These options, or one error that names every fault.</summary>
    public LabelOptions Validated()
    {
        if (Count is < 1) throw new ArgumentException($"count is {Count}; it must be 1 or more.");
        if (Count is not null && Latents.Length > 0) throw new ArgumentException("latents and count are both given; name the latents, or say how many.");
        if (Star.Intersect(Unstar).ToList() is { Count: > 0 } both) throw new ArgumentException($"latent {both[0]} is to get a star and to lose it; say one.");
        foreach (string edit in (string[])[.. Set, .. Note]) Edit(edit);
        DeviceOption.Ensure(Device);
        return this;
    }

    /// <summary>The latent and the text of <c>LATENT=TEXT</c>.</summary>
    /// <exception cref="ArgumentException">It is of another form.</exception>
    internal static (int Latent, string Text) Edit(string edit) => edit.IndexOf('=', StringComparison.Ordinal) is > 0 and var at && int.TryParse(edit[..at], NumberStyles.None, CultureInfo.InvariantCulture, out int latent)
        ? (latent, edit[(at + 1)..]) : throw new ArgumentException($"'{edit}' is no edit; write LATENT=TEXT, such as \"123=mentions of dogs\".");
}
