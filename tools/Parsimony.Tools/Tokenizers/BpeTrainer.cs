using System.Runtime.InteropServices;
using System.Text;
using Parsimony.Tokens;

namespace Parsimony.Tools.Tokenizers;

/// <summary>What the trainer found: the tokens' bytes by id, and the merges in order.</summary>
/// <param name="Tokens">Bytes of every token; id 0 is the end-of-text token, which has none.</param>
/// <param name="Merges">Left and right id of every merge; merge i makes token 257 + i.</param>
public sealed record BpeVocabulary(IReadOnlyList<byte[]> Tokens, IReadOnlyList<(int Left, int Right)> Merges);

/// <summary>
/// Learns a byte-level BPE vocabulary (Sennrich et al. 2016, over bytes as in GPT-2): again and again the most frequent pair of
/// neighbouring tokens inside a piece becomes a token of its own. Ties go to the pair of lower ids, so the result depends on the text alone.
/// </summary>
public sealed class BpeTrainer
{
    /// <summary>The one-byte tokens, ids 1 to 256, in the order of the characters they are written as.</summary>
    private static readonly byte[] BytesById = [.. Enumerable.Range(0, 256).Select(b => (byte)b).OrderBy(ByteLevel.Symbol)];
    private static readonly int[] IdOfByte = [.. Enumerable.Range(0, 256).Select(b => 1 + Array.IndexOf(BytesById, (byte)b))];

    private readonly List<int[]> words = [];
    private readonly List<long> counts = [];
    private readonly Dictionary<(int, int), long> pairCounts = [];
    private readonly Dictionary<(int, int), HashSet<int>> pairWords = [];
    private readonly PriorityQueue<(int Left, int Right), (long, int, int)> queue = new();

    /// <summary>Learns from the texts.</summary>
    /// <param name="texts">Normalised texts without added tokens.</param>
    /// <param name="vocabularySize">Tokens in all: end-of-text, 256 bytes and the merges; 257 or more.</param>
    public static BpeVocabulary Train(IEnumerable<string> texts, int vocabularySize)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabularySize, 257);
        return new BpeTrainer(CountPieces(texts)).Learn(vocabularySize);
    }

    private BpeTrainer(Dictionary<string, long> pieces)
    {
        foreach (var (piece, count) in pieces.OrderBy(p => p.Key, StringComparer.Ordinal))
        {
            words.Add([.. Encoding.UTF8.GetBytes(piece).Select(b => IdOfByte[b])]);
            counts.Add(count);
            AddPairs(words.Count - 1, +1);
        }
        foreach (var pair in pairCounts.Keys) Enqueue(pair);
    }

    private BpeVocabulary Learn(int vocabularySize)
    {
        var tokens = new List<byte[]> { Array.Empty<byte>() };
        tokens.AddRange(BytesById.Select(b => new[] { b }));
        var merges = new List<(int, int)>();
        while (tokens.Count < vocabularySize && queue.TryDequeue(out var pair, out var priority))
        {
            long count = pairCounts.GetValueOrDefault(pair);
            if (count != -priority.Item1)
            {
                if (count > 0) Enqueue(pair); // it has become rarer since it was queued
                continue;
            }
            Merge(pair, tokens.Count);
            merges.Add(pair);
            tokens.Add([.. tokens[pair.Left], .. tokens[pair.Right]]);
        }
        return new BpeVocabulary(tokens, merges);
    }

    private void Merge((int Left, int Right) pair, int token)
    {
        var touched = new HashSet<(int, int)>();
        foreach (int word in pairWords[pair].Order().ToArray())
        {
            AddPairs(word, -1);
            words[word] = Joined(words[word], pair, token);
            AddPairs(word, +1);
            for (int i = 1; i < words[word].Length; i++)
                if (words[word][i] == token || words[word][i - 1] == token) touched.Add((words[word][i - 1], words[word][i]));
        }
        foreach (var changed in touched) Enqueue(changed);
    }

    private static int[] Joined(int[] word, (int Left, int Right) pair, int token)
    {
        var result = new List<int>(word.Length);
        for (int i = 0; i < word.Length; i++)
        {
            bool match = i + 1 < word.Length && word[i] == pair.Left && word[i + 1] == pair.Right;
            result.Add(match ? token : word[i]);
            if (match) i++;
        }
        return [.. result];
    }

    private void AddPairs(int word, int sign)
    {
        int[] ids = words[word];
        for (int i = 1; i < ids.Length; i++)
        {
            var pair = (ids[i - 1], ids[i]);
            CollectionsMarshal.GetValueRefOrAddDefault(pairCounts, pair, out _) += sign * counts[word];
            ref var places = ref CollectionsMarshal.GetValueRefOrAddDefault(pairWords, pair, out _);
            places ??= [];
            if (sign > 0) places.Add(word);
            else places.Remove(word);
        }
    }

    private void Enqueue((int Left, int Right) pair) => queue.Enqueue(pair, (-pairCounts[pair], pair.Left, pair.Right));

    private static Dictionary<string, long> CountPieces(IEnumerable<string> texts)
    {
        var pieces = new Dictionary<string, long>();
        var lookup = pieces.GetAlternateLookup<ReadOnlySpan<char>>();
        foreach (string text in texts)
            foreach (var piece in PreTokens.Split(text))
                CollectionsMarshal.GetValueRefOrAddDefault(lookup, piece, out _)++;
        return pieces;
    }
}
