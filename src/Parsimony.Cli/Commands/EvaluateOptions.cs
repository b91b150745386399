using System.ComponentModel;
using Parsimony.Cli.Runs;
using Parsimony.Evaluation;
using Parsimony.Models;
using Parsimony.Native;
using Parsimony.Text;

namespace Parsimony.Cli.Commands;

/// <summary>Options of <c>parsimony evaluate</c>.</summary>
internal sealed record EvaluateOptions
{
    /// <summary>The article's contexts.</summary>
    public const int ArticleLength = 128;

    private const int ArticleBatch = 8, LongestWindow = 2048, LongestStride = 512, StridedBatchTokens = 2048;

    [Positional]
    [Description("run folder, an SAE in any format that convert knows, or a folder of runs, such as a sweep's: then a table")]
    public required string Sae { get; init; }

    [Description("held-out text: a file, folder or pattern of .txt, .jsonl, .parquet or .pgn; the default is what --held-out-fraction left out of the run's own text")]
    public string? Text { get; init; }

    [Description("model folder; a run folder knows its own")]
    public string? Model { get; init; }

    [Description("adapter folder, or run folder in which one was learned: measured in the model tuned by it [default: the adapter that the SAE was trained with, if any]")]
    public string? Adapter { get; init; }

    [Description("demand that the SAE was trained here, or say where if its file does not; the default is the SAE's own hook point")]
    public HookPoint? Hook { get; init; }

    [Description("run folder for report.json; the default is the SAE's own run folder, if it has one")]
    public string? Out { get; init; }

    [Description("article: contexts that do not overlap; strided: the field's sliding window, which perplexities are published with")]
    public Protocol Protocol { get; init; }

    [Description("tokens per context or window; the default is 128 for the article's protocol, the model's limit, at most 2048, for strided windows")]
    public int? SequenceLength { get; init; }

    [Description("tokens by which strided windows move on; the default is 512, or half a window where that is less")]
    public int? Stride { get; init; }

    [Description("contexts or windows to measure on; the default is all")]
    public int? MaxContexts { get; init; }

    [Description("contexts or windows per forward pass; the default is 8 contexts, or strided windows of 2048 tokens together")]
    public int? BatchContexts { get; init; }

    [Description("turn WikiText (words spaced apart, @-@) back into text first, as lm-evaluation-harness does")]
    public bool Detokenise { get; init; }

    [Description(DeviceOption.Text)]
    public string Device { get; init; } = TorchDevice.Cpu;

    [Description("also insert the SAE in every other layer (the article's figure)")]
    public bool LayerSweep { get; init; } = true;

    [Description("measure anew what the run folder has a report of already")]
    public bool Again { get; init; }

    [Description("seconds between two savings of where the evaluation stands; 0: after every batch")]
    public double CheckpointEverySeconds { get; init; } = 30;

    [Description("print memory and time needed, and do nothing")]
    public bool Plan { get; init; }

    public TextOptions Corpus { get; init; } = new();

    public WeightOptions Load { get; init; } = new();

    /// <summary>These options, or one error that names every fault.</summary>
    public EvaluateOptions Validated()
    {
        var faults = new List<string>();
        if (TorchDevice.Fault(Device) is { } fault) faults.Add(fault);
        if (Stride is not null && Protocol == Protocol.Article)
            faults.Add($"stride is {Stride}, but the article's contexts do not overlap; leave it out, or choose the protocol strided");
        else if (Stride is < 1 || Stride > SequenceLength) faults.Add($"stride is {Stride}; it must be 1 to {SequenceLength?.ToString() ?? "the length of a window"}");
        if (MaxContexts is < 1) faults.Add($"max_contexts is {MaxContexts}; it must be 1 or more");
        if (BatchContexts is < 1) faults.Add($"batch_contexts is {BatchContexts}; it must be 1 or more");
        if (!(CheckpointEverySeconds >= 0)) faults.Add($"checkpoint_every_seconds is {CheckpointEverySeconds}; it must be 0 or more");
        return faults.Count == 0 ? this : throw new ArgumentException(string.Join("; ", faults) + ".");
    }

    /// <summary>The same with the defaults that depend on the protocol and the model filled in.</summary>
    /// <exception cref="ArgumentException">A window is longer than the model takes, or the stride than a window.</exception>
    public EvaluateOptions Resolved(IModelConfig model)
    {
        bool article = Protocol == Protocol.Article;
        int length = SequenceLength ?? (article ? ArticleLength : Math.Min(LongestWindow, model.MaxSequenceLength));
        if (length < 2 || length > model.MaxSequenceLength) throw new ArgumentException(
            $"sequence_length is {length}; it must be 2 to {model.MaxSequenceLength}, what this model was made for.");
        return (this with
        {
            SequenceLength = length,
            Stride = Stride ?? (article ? null : Math.Min(LongestStride, length / 2)),
            BatchContexts = BatchContexts ?? (article ? ArticleBatch : Math.Max(1, StridedBatchTokens / length)),
        }).Validated();
    }
}
