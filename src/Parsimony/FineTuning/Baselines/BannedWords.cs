using System.Globalization;
using System.Text;
using Parsimony.FineTuning.Rewards;
using Parsimony.Models;
using Parsimony.Tokens;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Baselines;

/// <summary>
/// Words that are never said: before each draw, every token that would complete one is forbidden, whatever tokens it is spelt with, with or without a space in front, in any case. The simplest thing that
/// learning is compared with. What is whole is <see cref="Lexicon.Find"/>'s to say, of the continuation alone and of prompt and continuation together.
/// </summary>
/// <remarks>A token that ends a word's letters is forbidden though the next one might have made a longer, harmless word of it. Disguised words of a lexicon are not looked for.</remarks>
public sealed class BannedWords
{
    private readonly Tokenizer tokenizer;
    private readonly Lexicon lexicon;
    private readonly Dictionary<string, List<int>> completing = new(StringComparer.Ordinal); // by the letters that must stand before
    private readonly List<int> within = [], atEdge = [], loose = [];                          // hold a word; begin with one; may complete one within a character
    private readonly int longest, tailTokens;

    /// <summary>A ban.</summary>
    /// <param name="tokenizer">The model's.</param>
    /// <param name="lexicon">The words.</param>
    public BannedWords(Tokenizer tokenizer, Lexicon lexicon)
    {
        this.tokenizer = tokenizer;
        this.lexicon = new Lexicon(lexicon.Name, lexicon.Entries);
        var words = lexicon.Entries.Select(e => e.Text).ToList();
        (longest, tailTokens) = (words.Max(w => Plain(w).Length), 2 * words.Max(Encoding.UTF8.GetByteCount) + 16);
        var beginnings = new Dictionary<string, HashSet<string>>(StringComparer.Ordinal); // by what must come after
        foreach (string word in words.Select(Plain))
            for (int i = 1; i < word.Length; i++)
            {
                if (!beginnings.TryGetValue(word[i..], out var before)) beginnings[word[i..]] = before = new(StringComparer.Ordinal);
                before.Add(word[..i]);
            }
        bool hasOthers = words.Any(w => !Ascii.IsValid(w));
        for (int id = 0; id < tokenizer.VocabularySize; id++) Sort(id, beginnings, hasOthers);
    }

    /// <summary>The ban as something to generate with.</summary>
    public LogitsProcessor Processor => Apply;

    /// <summary>The tokens that may not come next.</summary>
    /// <param name="prompt">What was given.</param>
    /// <param name="continuation">What has come since.</param>
    public IReadOnlyCollection<int> Banned(IReadOnlyList<int> prompt, IReadOnlyList<int> continuation)
    {
        var banned = new HashSet<int>(within);
        int[] alone = [.. continuation.TakeLast(tailTokens)];
        Look(alone, banned);
        if (prompt.Count > 0 && continuation.Count < tailTokens) Look([.. prompt.TakeLast(tailTokens - alone.Length), .. alone], banned);
        return banned;
    }

    private Tensor Apply(Tensor logits, IReadOnlyList<int[]> prompts, IReadOnlyList<IReadOnlyList<int>> continuations)
    {
        using var scope = NewDisposeScope();
        var allowed = logits.clone();
        for (int row = 0; row < prompts.Count; row++)
        {
            long[] ids = [.. Banned(prompts[row], continuations[row]).Where(id => id < logits.size(-1)).Select(id => (long)id)];
            if (ids.Length > 0) allowed[row].index_fill_(0, tensor(ids, device: logits.device), float.NegativeInfinity);
        }
        return allowed.MoveToOuterDisposeScope();
    }

    private void Look(int[] tokens, HashSet<int> banned)
    {
        string text = tokenizer.Decode(tokens), letters = Plain(text);
        var characters = FoldedText.Of(text, plain: false);
        if (characters.Count == 0 || characters[^1].Kind != EdgeKind.Word) banned.UnionWith(atEdge);
        var candidates = new HashSet<int>(loose);
        foreach (string end in (string[])[letters, letters.TrimEnd(' ')])
            for (int length = 1; length <= Math.Min(longest, end.Length); length++)
                if (completing.TryGetValue(end[^length..], out var ids)) candidates.UnionWith(ids);
        candidates.ExceptWith(banned);
        foreach (int id in candidates)
        {
            string after = tokenizer.Decode([.. tokens, id]);
            int common = text.AsSpan().CommonPrefixLength(after);
            if (lexicon.Find(after).Any(hit => hit.Start + hit.Length > common)) banned.Add(id);
        }
    }

    /// <summary>What a token can do: hold a word whatever comes before, hold one if none goes on into it, complete one that has begun.</summary>
    private void Sort(int id, Dictionary<string, HashSet<string>> beginnings, bool hasOthers)
    {
        var bytes = tokenizer.Bytes(id);
        if (bytes.IsEmpty) return;
        string text = Encoding.UTF8.GetString(bytes);
        var characters = FoldedText.Of(text, plain: false);
        var hits = lexicon.Find(text);
        if (hits.Any(h => h.Start > 0 || characters[0].Kind != EdgeKind.Word)) within.Add(id);
        else if (hits.Count > 0) atEdge.Add(id);
        bool isMark = Rune.GetRuneAt(text, 0) is var first && Rune.GetUnicodeCategory(first) is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark;
        if (hasOthers && ((bytes[0] & 0xC0) == 0x80 || isMark)) loose.Add(id); // goes on within a character
        var letters = new StringBuilder();
        for (int i = 0; i < characters.Count && letters.Length <= longest; i++)
        {
            Append(letters, characters[i]);
            bool isEdge = i + 1 == characters.Count || characters[i + 1].Kind != EdgeKind.Word || characters[i].Kind != EdgeKind.Word;
            if (!isEdge || !beginnings.TryGetValue(letters.ToString(), out var before)) continue;
            foreach (string beginning in before)
            {
                if (!completing.TryGetValue(beginning, out var ids)) completing[beginning] = ids = [];
                if (ids.Count == 0 || ids[^1] != id) ids.Add(id);
            }
        }
    }

    /// <summary>Letters in lower case, runs of white space and hyphens one space.</summary>
    private static string Plain(string text)
    {
        var letters = new StringBuilder();
        foreach (var character in FoldedText.Of(text, plain: false)) Append(letters, character);
        return letters.ToString();
    }

    private static void Append(StringBuilder letters, FoldedCharacter character)
    {
        bool isSpace = character.Kind == EdgeKind.Space || character.Folded == "-";
        if (!isSpace) letters.Append(character.Folded);
        else if (letters.Length == 0 || letters[^1] != ' ') letters.Append(' ');
    }
}
