using System.Globalization;
using System.Text.RegularExpressions;
using Parsimony.Exploration.Index;
using Parsimony.Reporting;
using Parsimony.Tokens;

namespace Parsimony.Explorer.Features;

/// <summary>
/// What is typed into the search box. Words are joined by "and": <c>tok:dog</c> peaks on the token, <c>out:cat</c> promotes it (directly or as measured), <c>label:animal</c> has it in a label,
/// <c>#123</c> is that latent; a word alone peaks on the token or has it in a label. Tokens are compared in upper or lower case without the space in front; in quotation marks exactly,
/// <c>tok:" dog"</c>.
/// </summary>
public static partial class FeatureSearch
{
    /// <summary>The latents that a search finds; null: all of them.</summary>
    /// <param name="text">What was typed.</param>
    /// <param name="index">The latents.</param>
    /// <param name="tokenizer">The model's.</param>
    /// <param name="labels">The latents with a text in their labels.</param>
    /// <exception cref="ArgumentException">A token or a latent is not there; the message says what is.</exception>
    public static IReadOnlySet<int>? Find(string text, FeatureIndex index, Tokenizer tokenizer, Func<string, IReadOnlySet<int>> labels)
    {
        HashSet<int>? found = null;
        foreach (Match term in Term().Matches(text))
        {
            string prefix = term.Groups["prefix"].Value.ToLowerInvariant(), word = term.Groups["word"].Value;
            IEnumerable<int> its = prefix switch
            {
                "tok:" => PeakingOn(Tokens(word, tokenizer, index.Header.DVocab)),
                "out:" => index.Promoting(Tokens(word, tokenizer, index.Header.DVocab).ToHashSet()),
                "label:" => labels(Bare(word)),
                "#" => [Latent(word, index.DSae)],
                _ => Either(word),
            };
            if (found is null) found = [.. its];
            else found.IntersectWith(its);
        }
        return found;

        IEnumerable<int> PeakingOn(IEnumerable<int> tokens) => tokens.SelectMany(id => index.PeakingOn(id)).Select(p => p.Latent);

        IEnumerable<int> Either(string word)
        {
            var labelled = labels(Bare(word));
            var tokens = Matching(word, tokenizer, index.Header.DVocab);
            if (tokens.Count == 0 && labelled.Count == 0) tokens = Tokens(word, tokenizer, index.Header.DVocab); // says what there is
            return [.. labelled, .. PeakingOn(tokens)];
        }
    }

    /// <summary>Whether what a search finds depends on labels, which may change at any time.</summary>
    public static bool UsesLabels(string text) => Term().Matches(text).Any(term => term.Groups["prefix"].Value.ToLowerInvariant() is "" or "label:");

    /// <summary>The tokens that a word means.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    private static List<int> Tokens(string word, Tokenizer tokenizer, int dVocab)
    {
        var ids = Matching(word, tokenizer, dVocab);
        if (ids.Count > 0) return ids;
        var parts = tokenizer.Encode(Bare(word)).Select(tokenizer.Display).ToList();
        throw new ArgumentException(parts.Count > 1 ? $"'{Bare(word)}' is no single token; this model writes it as {string.Join(" + ", parts)}. Search for one of these." : $"this model has no token '{Bare(word)}'.");
    }

    private static List<int> Matching(string word, Tokenizer tokenizer, int dVocab)
    {
        string bare = Bare(word);
        bool isExact = bare.Length < word.Length;
        string wanted = isExact ? bare : bare.Trim();
        var ids = new List<int>();
        if (wanted.Length == 0) return ids;
        for (int id = 0; id < Math.Min(dVocab, tokenizer.VocabularySize); id++)
        {
            var bytes = tokenizer.Bytes(id);
            if (bytes.IsEmpty) continue;
            string text = ShadedText.Decode(bytes);
            if (isExact ? text == wanted : text.AsSpan().Trim().Equals(wanted, StringComparison.OrdinalIgnoreCase) || tokenizer.Display(id) == wanted) ids.Add(id);
        }
        return ids;
    }

    private static int Latent(string word, int dSae) => int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out int latent) && latent < dSae ? latent
        : throw new ArgumentException($"there is no latent '{word}'; this SAE has latents 0 to {dSae - 1}.");

    private static string Bare(string word) => word.Length >= 2 && word[0] == '"' && word[^1] == '"' ? word[1..^1] : word;

    [GeneratedRegex("""(?<prefix>tok:|out:|label:|#)?(?<word>"[^"]*"|\S+)""", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Term();
}
