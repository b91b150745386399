using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Parsimony.Files;
using Parsimony.Models;
using Parsimony.Splicing;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Preference;

/// <summary>Pairs with what the reference thinks of them, which is computed once: the reference never changes.</summary>
internal sealed class PairSet
{
    private readonly List<(SftExample Chosen, SftExample Rejected)> pairs;
    private float[,] reference; // [pairs, 2], sums of ln p_ref; empty where a loss has no reference

    private PairSet(List<(SftExample, SftExample)> pairs, float[,] reference) => (this.pairs, this.reference) = (pairs, reference);

    public int Count => pairs.Count;

    /// <summary>Scores pairs under the reference, or takes the scores from a file that an earlier run of the same wrote.</summary>
    /// <param name="pairs">The pairs; may be empty.</param>
    /// <param name="needsReference">Whether the loss has one.</param>
    /// <param name="score">Scores a batch at rest.</param>
    /// <param name="batchSize">Pairs at a time.</param>
    /// <param name="file">Where the scores are kept; null: nowhere.</param>
    /// <param name="identity">What they were made with.</param>
    /// <exception cref="InvalidDataException">The file is of another run.</exception>
    public static PairSet Of(
        IReadOnlyList<PreferencePair> pairs, bool needsReference, Func<PairBatch, Tensor> score, int batchSize, string? file, IReadOnlyDictionary<string, string> identity)
    {
        var set = new PairSet([.. pairs.Select(p => (p.ChosenExample, p.RejectedExample))], new float[0, 0]);
        if (!needsReference || pairs.Count == 0) return set;
        using var noGradient = no_grad();
        using var outer = NewDisposeScope();
        var all = zeros(pairs.Count, 2);
        if (file is null || RunCheckpoint.Load(file, new Dictionary<string, Tensor> { ["reference"] = all }, identity, []) is null)
        {
            foreach (int[] some in Enumerable.Range(0, pairs.Count).Chunk(batchSize))
            {
                using var scope = NewDisposeScope();
                all.narrow(0, some[0], some.Length).copy_(score(set.Batch(some)).view(2, -1).t().cpu());
            }
            if (file is not null) RunCheckpoint.Save(file, new Dictionary<string, Tensor> { ["reference"] = all }, identity, new Dictionary<string, long>());
        }
        set.reference = new float[pairs.Count, 2];
        all.data<float>().CopyTo(MemoryMarshal.CreateSpan(ref set.reference[0, 0], pairs.Count * 2));
        return set;
    }

    /// <summary>With chosen and rejected exchanged in some pairs.</summary>
    public PairSet Exchanged(Func<int, bool> exchange)
    {
        var scores = (float[,])reference.Clone();
        for (int i = 0; i < scores.GetLength(0); i++)
            if (exchange(i)) (scores[i, 0], scores[i, 1]) = (scores[i, 1], scores[i, 0]);
        return new PairSet([.. pairs.Select((p, i) => exchange(i) ? (p.Rejected, p.Chosen) : p)], scores);
    }

    public PairBatch Batch(IEnumerable<int> which) => new([.. which.Select(i => pairs[i])]);

    /// <summary>What the reference thinks of some, <c>[2 pairs]</c>, the chosen ones first; null where a loss has no reference.</summary>
    public Tensor? Reference(IReadOnlyList<int> which, Device device) => reference.Length == 0 ? null
        : tensor((float[])[.. which.Select(i => reference[i, 0]), .. which.Select(i => reference[i, 1])], device: device);

    public IEnumerable<int[]> Rows => pairs.SelectMany(p => (int[][])[p.Chosen.Tokens, p.Rejected.Tokens]);

    /// <summary>The pairs as a hash.</summary>
    public static IncrementalHash Hash(IEnumerable<PreferencePair> pairs)
    {
        var data = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var pair in pairs)
            foreach (int[] part in (int[][])[pair.Prompt, pair.Chosen, pair.Rejected])
            {
                data.AppendData(BitConverter.GetBytes(part.Length));
                data.AppendData(MemoryMarshal.AsBytes<int>(part));
            }
        return data;
    }
}
