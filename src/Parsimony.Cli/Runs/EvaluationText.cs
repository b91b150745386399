using System.Text;
using Parsimony.Activations;
using Parsimony.Cli.Commands;
using Parsimony.Evaluation;
using Parsimony.Reporting;
using Parsimony.Text;
using Parsimony.Tokens;

namespace Parsimony.Cli.Runs;

/// <summary>What an SAE is evaluated on: a text that was named, or the documents that were held out of the run's own.</summary>
/// <param name="File">The text.</param>
/// <param name="HeldOutFraction">Which of its documents; 0: all.</param>
/// <param name="IsHeldOut">Whether the SAE was not trained on it; null when that is not known.</param>
/// <param name="Corpus">How it is read.</param>
internal sealed record EvaluationText(string File, double HeldOutFraction, bool? IsHeldOut, TextOptions Corpus)
{
    private const int SampleChars = 1 << 18;

    private TextSplit? Split => HeldOutFraction == 0 ? null : new TextSplit(HeldOutFraction, TextSide.HeldOut);

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

    /// <summary>Reads and tokenises it under the options' protocol.</summary>
    /// <param name="model">The model, its tokenizer, and where broken parts of a text are noted.</param>
    /// <param name="options">Resolved for that model.</param>
    /// <exception cref="UsageException">It is to be detokenised and is not WikiText.</exception>
    /// <exception cref="InvalidDataException">It is broken or too short.</exception>
    public (EvaluatedText Text, IReadOnlyList<string> Notes) Read(LoadedModel model, EvaluateOptions options)
    {
        var corpus = LoadedModel.OpenText(File, Corpus);
        var (form, isRowPerLine) = Look(corpus);
        if (options.Detokenise && form == TextForm.Plain) throw new UsageException(
            $"--detokenise is for WikiText, and '{File}' is not in either of its forms: there is no line ' = Title = ' and no ' @-@ ' at its beginning. Leave it out.");
        if (options.Protocol == Protocol.Article && !options.Detokenise)
        {
            var (contexts, name) = Pack(model, options);
            return (new(EvaluationWindows.Article(contexts), name, form, null), model.Notes);
        }

        int documents = 0;
        var reader = corpus.Read();
        IEnumerable<TextPiece> Counted()
        {
            foreach (var piece in Pieces(reader))
            {
                if (piece.EndsDocument) documents++;
                yield return piece;
            }
        }
        var pieces = isRowPerLine ? WikiText.Joined(Counted()) : Counted();
        if (options.Detokenise) pieces = WikiText.Detokenise(pieces);
        var windows = options.Protocol == Protocol.Strided
            ? EvaluationWindows.Strided(ContextPacker.Stream(pieces, model.Tokenizer).Ids, options.SequenceLength!.Value, options.Stride!.Value, options.MaxContexts)
            : EvaluationWindows.Article([.. ContextPacker.Pack(pieces, model.Tokenizer, options.SequenceLength!.Value).Take(options.MaxContexts ?? int.MaxValue)]);
        bool all = options is { Protocol: Protocol.Strided, MaxContexts: null };
        long? words = all && form != TextForm.Plain ? Pieces(corpus.Read()).Sum(piece => WikiText.CountWords(piece.Text)) : null;
        return (new(windows, Name(documents), form, words), reader.Bad.Sentence is { } bad ? [bad] : []);
    }

    /// <summary>Its contexts as the article has them, and what it is in words.</summary>
    private (IReadOnlyList<int[]> Contexts, string Words) Pack(LoadedModel model, EvaluateOptions options)
    {
        if (HeldOutFraction == 0) return (model.Pack(File, Corpus, options.SequenceLength!.Value, options.MaxContexts), Name(0));
        var (contexts, documents, _) = model.PackHeldOut(File, Corpus, options.SequenceLength!.Value, HeldOutFraction, options.MaxContexts);
        return (contexts, Name(documents));
    }

    private string Name(int documents) => Split is not { } split ? Path.GetFileName(File)
        : $"held-out {split.Percent} of {Path.GetFileName(File)}, {documents} {(documents == 1 ? "document" : "documents")}";

    private IEnumerable<TextPiece> Pieces(CorpusReader reader) => Split?.Of(reader.Pieces()) ?? reader.Pieces();

    /// <summary>The form of the text, and whether it is WikiText with a row for each line, as the hub has it.</summary>
    private (TextForm Form, bool IsRowPerLine) Look(Corpus corpus)
    {
        var sample = new StringBuilder();
        var (documents, lines) = (0, 0);
        foreach (var piece in Pieces(corpus.Read()))
        {
            sample.Append(piece.Text);
            if (!piece.Text.EndsWith('\n')) sample.Append('\n');
            if (piece.EndsDocument) documents++;
            lines += piece.Text.AsSpan().TrimEnd("\r\n").Count('\n') + 1;
            if (sample.Length >= SampleChars) break;
        }
        var form = WikiText.FormOf(sample.ToString());
        return (form, form != TextForm.Plain && documents > 1 && lines == documents);
    }
}
