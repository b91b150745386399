using System.Security.Cryptography;
using System.Text;
using Parsimony.Files;
using Parsimony.Text;

namespace Parsimony.Tokens;

/// <summary>
/// Texts as ids on disk, so that a second run starts at once and no run holds them in memory: one folder for each tokenizer, content of the files, way of reading and side of a split.
/// The contexts are those that <see cref="ContextPacker.Pack(Corpus, Tokenizer, int, TextSplit, int?)"/> gives.
/// </summary>
/// <param name="root">Folder of all tokenised texts.</param>
public sealed class TokenCache(string root)
{
    private const long SmallestBytes = 16 << 20;

    private readonly KnownHashes hashes = new(Path.Combine(root, "hashes"));

    /// <summary>The cache of this user; null where it is switched off.</summary>
    public static TokenCache? OfUser() => UserCache.Folder("tokens") is { } folder ? new TokenCache(folder) : null;

    /// <summary>Whether a text is worth it: 16 MiB or more; less is tokenised in a few seconds.</summary>
    public static bool IsWorthIt(Corpus text) => text.Bytes >= SmallestBytes;

    /// <summary>The contexts of a text, tokenised now where they are not there yet; with a limit, only as far as that reaches, and further the next time.</summary>
    /// <param name="text">What to read.</param>
    /// <param name="tokenizer">Makes the ids.</param>
    /// <param name="sequenceLength">Tokens per context, at least 1.</param>
    /// <param name="split">Which side; null: the whole.</param>
    /// <param name="limit">Contexts at most, at least 1; null: all.</param>
    /// <exception cref="InvalidDataException">The text is broken, or it, or this side of it, is shorter than one context.</exception>
    /// <exception cref="IOException">The disk is full.</exception>
    public PackedText Pack(Corpus text, Tokenizer tokenizer, int sequenceLength, TextSplit? split = null, int? limit = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(sequenceLength, 1);
        if (limit is { } most) ArgumentOutOfRangeException.ThrowIfLessThan(most, 1, nameof(limit));
        var begun = new StoredTokensIndex
        {
            TokenizerSha256 = tokenizer.Sha256,
            CorpusSha256 = Hash(text),
            Text = text.Path,
            Options = text.Options,
            Split = split,
            IdBytes = tokenizer.VocabularySize <= 1 << 16 ? sizeof(ushort) : sizeof(int),
        };
        string key = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Json.WriteLine(begun with { Text = "" }))))[..32];
        var stored = new StoredTokens(Path.Combine(root, key));
        long enough = limit is { } contexts ? (long)contexts * sequenceLength : long.MaxValue;
        var index = stored.Index;
        if (index is null || !index.IsComplete && index.Tokens < enough)
        {
            DiskSpace.Ensure(root, text.Bytes, $"'{text.Path}' as tokens", $"Free some space, or set {UserCache.Variable} to a folder on another disk, or to none to hold them in memory.");
            index = stored.Extend(index ?? begun, text, tokenizer, enough);
        }
        if (index is null) return ContextPacker.Pack(text, tokenizer, sequenceLength, split, limit); // another process writes it: this one goes without
        var bad = new BadRecords(text.Options.SkipBad);
        bad.Add(index.Bad, index.FirstBad);
        var (packed, documents) = stored.Read(index, sequenceLength, limit);
        return packed.Count > 0 ? new(packed, documents, bad) : throw ContextPacker.TooShort(text, sequenceLength, split, documents, (int)index.Tokens, bad);
    }

    /// <summary>A hash of the names and contents of a text's files. What was hashed once and has kept its size and time is not read again.</summary>
    private string Hash(Corpus text)
    {
        using var all = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string file in text.Files) all.AppendData(Encoding.UTF8.GetBytes($"{Path.GetFileName(file)} {hashes.Sha256(file)}\n"));
        return Convert.ToHexStringLower(all.GetHashAndReset());
    }
}
