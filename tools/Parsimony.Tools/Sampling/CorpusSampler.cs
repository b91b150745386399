using Parsimony.Models;
using Parsimony.Tokens;

namespace Parsimony.Tools.Sampling;

/// <summary>How a corpus is drawn from a model.</summary>
public sealed record CorpusOptions
{
    /// <summary>UTF-8 bytes after which no further document is begun; default 1.5 million.</summary>
    public long Bytes { get; init; } = 1_500_000;
    /// <summary>Divides the logits; default 0.9.</summary>
    public double Temperature { get; init; } = 0.9;
    /// <summary>Sum of the probabilities sampled from; default 0.95.</summary>
    public double TopP { get; init; } = 0.95;
    /// <summary>Tokens a document may have; default 700.</summary>
    public int DocumentTokens { get; init; } = 700;
    /// <summary>Documents written side by side; default 64.</summary>
    public int Rows { get; init; } = 64;
    /// <summary>Seed; default 0.</summary>
    public long Seed { get; init; }
}

/// <summary>
/// Draws documents from a model, each begun at the end-of-text token. A document longer than the model's context is continued from
/// the last half of it, so the corpus holds middles of stories, too, not only their beginnings.
/// </summary>
public static class CorpusSampler
{
    /// <summary>The documents, in the order they were begun.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tokenizer">Its tokenizer; it must have an end-of-text token.</param>
    /// <param name="options">How to draw.</param>
    /// <param name="progress">Told the bytes drawn so far.</param>
    public static IEnumerable<string> Draw(Transformer model, Tokenizer tokenizer, CorpusOptions options, IProgress<long>? progress = null)
    {
        int endOfText = tokenizer.EndOfTextId ?? throw new ArgumentException("the tokenizer has no end-of-text token; no document can be begun.");
        long bytes = 0;
        for (long round = 0; bytes < options.Bytes; round++)
        {
            var documents = Enumerable.Range(0, options.Rows).Select(_ => new List<int> { endOfText }).ToList();
            for (int part = 0; documents.Any(Open); part++)
                Continue(model, [.. documents.Where(Open)], options, endOfText, seed: options.Seed + round * 1000 + part);
            foreach (var document in documents)
            {
                string text = Whole(tokenizer, document, endOfText);
                bytes += System.Text.Encoding.UTF8.GetByteCount(text);
                if (text.Length > 0) yield return text;
            }
            progress?.Report(bytes);
        }

        bool Open(List<int> document) =>
            document.Count == 1 || (document[^1] != endOfText && document.Count < options.DocumentTokens);
    }

    private static void Continue(Transformer model, List<List<int>> documents, CorpusOptions options, int endOfText, long seed)
    {
        int half = model.Config.MaxSequenceLength / 2;
        var sampling = new SamplingOptions { MaxNewTokens = half, Temperature = options.Temperature, TopP = options.TopP, Seed = seed };
        int[][] prompts = [.. documents.Select(d => d.TakeLast(half).ToArray())];
        int[][] drawn = Generation.Generate(model, prompts, sampling, endOfTextId: endOfText);
        for (int i = 0; i < documents.Count; i++) documents[i].AddRange(drawn[i]);
    }

    private static string Whole(Tokenizer tokenizer, List<int> document, int endOfText)
    {
        bool ended = document[^1] == endOfText;
        int[] inner = [.. document[1..(ended ? ^1 : ^0)]];
        string text = tokenizer.Decode(inner).Trim();
        return ended ? text : ToLastSentence(text);
    }

    /// <summary>The text up to its last sentence's end; all of it when there is none.</summary>
    internal static string ToLastSentence(string text)
    {
        int end = text.LastIndexOfAny(['.', '!', '?']);
        if (end < 0) return text;
        while (end + 1 < text.Length && text[end + 1] is '"' or '\'' or '”' or '’') end++;
        return text[..(end + 1)];
    }
}
