using Parsimony.Activations;
using Parsimony.Cli.Commands;
using Parsimony.Text;

namespace Parsimony.Cli.Runs;

/// <summary>What an SAE is evaluated on: a text that was named, or the documents that were held out of the run's own.</summary>
/// <param name="File">The text.</param>
/// <param name="HeldOutFraction">Which of its documents; 0: all.</param>
/// <param name="IsHeldOut">Whether the SAE was not trained on it; null when that is not known.</param>
/// <param name="Corpus">How it is read.</param>
internal sealed record EvaluationText(string File, double HeldOutFraction, bool? IsHeldOut, TextOptions Corpus)
{
    /// <summary>What the options name, or the run itself.</summary>
    /// <exception cref="UsageException">No text is named, and the run held none out.</exception>
    public static EvaluationText Of(EvaluateOptions options)
    {
        var trained = RunFolder.Contains(options.Sae) ? RunFolder.Existing(options.Sae).Recall<TrainOptions>("train") : null;
        // By the file's name: a copy of the training text is not recognised, and what another program trained on is not known.
        if (options.Text is { } named) return new(named, 0, trained?.Text is { } own ? Path.GetFullPath(own) != Path.GetFullPath(named) : null, options.Corpus);
        if (trained is not { HeldOutFraction: > 0 }) throw new UsageException("--text must be given, on the command line or as a key of a --config file: "
            + (trained is null ? $"'{options.Sae}' does not say what it was trained on." : $"'{options.Sae}' was trained on all of its text, without --held-out-fraction."));
        string? path = trained.Text;
        var corpus = trained.Corpus;
        if (path is null && trained.Cache is { } cache && Directory.Exists(cache) && ActivationCacheManifest.Load(cache) is var manifest
            && manifest.HeldOutFraction == trained.HeldOutFraction) (path, corpus) = (manifest.TextPath, manifest.Corpus ?? new());
        return path is not null ? new(path, trained.HeldOutFraction, true, corpus) : throw new UsageException(
            $"'{options.Sae}' was trained on the cache '{trained.Cache}', which is not there any more to say of which text it was. Name a text with --text.");
    }

    /// <summary>Its contexts, and what it is in words.</summary>
    public (IReadOnlyList<int[]> Contexts, string Words) Pack(LoadedModel model, EvaluateOptions options)
    {
        string name = Path.GetFileName(File);
        if (HeldOutFraction == 0) return (model.Pack(File, Corpus, options.SequenceLength, options.MaxContexts), name);
        var (contexts, documents, _) = model.PackHeldOut(File, Corpus, options.SequenceLength, HeldOutFraction, options.MaxContexts);
        return (contexts, $"held-out {new TextSplit(HeldOutFraction, TextSide.HeldOut).Percent} of {name}, {documents} {(documents == 1 ? "document" : "documents")}");
    }
}
