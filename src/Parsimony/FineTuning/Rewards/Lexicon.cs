using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Parsimony.Text;

namespace Parsimony.FineTuning.Rewards;

/// <summary>A word or phrase to look for.</summary>
/// <param name="Text">As it is written; not empty.</param>
/// <param name="Weight">What an occurrence counts for; finite.</param>
public sealed record LexiconEntry(string Text, double Weight = 1);

/// <summary>An occurrence in a text.</summary>
/// <param name="Start">Its first character.</param>
/// <param name="Length">Its length in characters.</param>
/// <param name="Entry">What was found there.</param>
public readonly record struct LexiconHit(int Start, int Length, LexiconEntry Entry);

/// <summary>Which words of a lexicon are meant.</summary>
public enum LexiconSide
{
    /// <summary>Every word.</summary>
    All,
    /// <summary>Those that a reward may look at.</summary>
    Rewarded,
    /// <summary>Those that no reward has seen: they show whether the concept was learnt or only the list.</summary>
    HeldOut,
}

/// <summary>
/// Words and phrases, and where they occur in a text: in any case, as whole words only (no letter, digit or mark beside them), a space of a phrase
/// being any white space or a hyphen. Scripts that set no spaces between words need no edges.
/// </summary>
public sealed class Lexicon
{
    private readonly LexiconTrie trie;

    /// <summary>A lexicon.</summary>
    /// <param name="name">What it is, for messages.</param>
    /// <param name="entries">Its words, 1 or more; the same word twice counts once.</param>
    /// <param name="disguised">Whether words are also found with accents, l00k-alikes, repeeeated letters, s.e.p.a.r.a.t.o.r.s and m*sked letters.</param>
    /// <exception cref="ArgumentException">There is no word, one is empty, a weight is not finite, or a word has two weights.</exception>
    public Lexicon(string name, IEnumerable<LexiconEntry> entries, bool disguised = false)
    {
        (Name, Disguised) = (name, disguised);
        var unique = new Dictionary<string, LexiconEntry>(StringComparer.Ordinal);
        foreach (var entry in entries)
        {
            string key = Key(entry.Text);
            if (key.Length == 0) throw new ArgumentException($"lexicon '{name}' has an empty word; remove it.", nameof(entries));
            if (!double.IsFinite(entry.Weight)) throw new ArgumentException($"lexicon '{name}': the weight of '{entry.Text}' is {entry.Weight}; it must be finite.", nameof(entries));
            if (!unique.TryAdd(key, entry with { Text = entry.Text.Trim() }) && unique[key].Weight != entry.Weight) throw new ArgumentException(
                $"lexicon '{name}' gives '{entry.Text}' the weights {unique[key].Weight} and {entry.Weight}. Give it one.", nameof(entries));
        }
        if (unique.Count == 0) throw new ArgumentException($"lexicon '{name}' has no words; give one or more.", nameof(entries));
        Entries = [.. unique.Values];
        trie = new LexiconTrie(Entries, disguised);
    }

    /// <summary>What it is, for messages.</summary>
    public string Name { get; }

    /// <summary>Whether disguised words are found too.</summary>
    public bool Disguised { get; }

    /// <summary>Its words, each once, in their order.</summary>
    public IReadOnlyList<LexiconEntry> Entries { get; }

    /// <summary>Reads a list: a word or phrase on each line, after a tab its weight if that is not 1; lines that begin with # are comments.</summary>
    /// <param name="path">A text file, UTF-8; it may be compressed (.gz, .zst, .zip).</param>
    /// <param name="disguised">As for the constructor.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">A line is not of this kind, or there is no word; the message names file and line.</exception>
    public static Lexicon Load(string path, bool disguised = false)
    {
        if (!File.Exists(path)) throw new FileNotFoundException($"There is no file '{path}'. Give a list of words, one on each line.", path);
        var entries = new List<LexiconEntry>();
        using var reader = TextFile.Open(path);
        int number = 0;
        foreach (string line in TextLines.Whole(reader, path))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line) || line[0] == '#') continue;
            string[] fields = line.Split('\t');
            double weight = 1;
            bool right = fields.Length == 1 || (fields.Length == 2
                && double.TryParse(fields[1], NumberStyles.Float, CultureInfo.InvariantCulture, out weight) && double.IsFinite(weight));
            if (!right || fields[0].Trim().Length == 0) throw new InvalidDataException(
                $"'{path}', line {number}: '{line}' is not a word, or a word, a tab and its weight. Correct or delete the line.");
            entries.Add(new(fields[0].Trim(), weight));
        }
        try
        {
            return new Lexicon(path, entries, disguised);
        }
        catch (ArgumentException e)
        {
            throw new InvalidDataException(e.Message, e);
        }
    }

    /// <summary>
    /// One side of the lexicon. A word's side follows from the word and the fraction alone: it stays where it is when others are added, and a larger
    /// fraction holds out the same words and more.
    /// </summary>
    /// <remarks>The first 8 bytes of the SHA-256 of the word's UTF-8 (composed, lower case, white space runs one space), as a big-endian number,
    /// are below fraction * 2^64. Inflected forms are words of their own: <c>damn</c> and <c>damned</c> may come apart.</remarks>
    /// <param name="side">Which one.</param>
    /// <param name="heldOutFraction">Expected share of the words that is held out, above 0 and below 1.</param>
    /// <exception cref="ArgumentException">The fraction is out of its range, or no word is on that side.</exception>
    public Lexicon Of(LexiconSide side, double heldOutFraction = 0.5)
    {
        if (heldOutFraction is not (> 0 and < 1)) throw new ArgumentOutOfRangeException(
            nameof(heldOutFraction), heldOutFraction, "the held-out fraction must be above 0 and below 1.");
        if (side == LexiconSide.All) return this;
        var own = Entries.Where(e => IsHeldOut(e, heldOutFraction) == (side == LexiconSide.HeldOut)).ToList();
        return own.Count > 0 ? new Lexicon(Name, own, Disguised) : throw new ArgumentException(
            $"lexicon '{Name}': none of its {Entries.Count} words is {(side == LexiconSide.HeldOut ? "held out" : "rewarded")} at a held-out fraction of {heldOutFraction}. "
            + "Use a longer list, or another fraction.", nameof(side));
    }

    /// <summary>Where its words occur, from left to right: the longest at each place, none within another.</summary>
    /// <param name="text">A text, without half surrogate pairs.</param>
    public IReadOnlyList<LexiconHit> Find(string text) => trie.Find(text);

    private static bool IsHeldOut(LexiconEntry entry, double fraction) =>
        BinaryPrimitives.ReadUInt64BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes(Key(entry.Text)))) < fraction * Math.ScaleB(1, 64);

    private static string Key(string word) =>
        string.Join(' ', word.Normalize(NormalizationForm.FormKC).ToLowerInvariant().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
}
