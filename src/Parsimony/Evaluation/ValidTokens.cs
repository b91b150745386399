using static TorchSharp.torch;

namespace Parsimony.Evaluation;

/// <summary>Which positions of a batch are tokens: contexts shorter than the longest are padded on the right, and padding counts nowhere.</summary>
internal static class ValidTokens
{
    /// <summary>The rows of <c>[batch, longest, width]</c> that are tokens, as <c>[tokens, width]</c>, context by context.</summary>
    /// <param name="padded">One row per context.</param>
    /// <param name="contexts">The contexts, unpadded.</param>
    /// <param name="withoutLast">Leave out the last so many tokens of each context: 1 keeps those after which a token is predicted.</param>
    public static Tensor Of(Tensor padded, IReadOnlyList<int[]> contexts, int withoutLast = 0)
    {
        long longest = padded.size(1);
        var flat = padded.reshape(-1, padded.size(-1));
        if (withoutLast == 0 && contexts.All(c => c.Length == longest)) return flat;
        var rows = contexts.SelectMany((c, row) => Enumerable.Range(0, c.Length - withoutLast).Select(t => row * longest + t));
        using var index = tensor(rows.ToArray(), device: padded.device);
        return flat.index_select(0, index);
    }

    /// <summary>The tokens to be predicted, <c>[predictions]</c> int64: all but the first of each context.</summary>
    public static Tensor Targets(IReadOnlyList<int[]> contexts) => tensor(contexts.SelectMany(c => c.Skip(1)).Select(id => (long)id).ToArray(), device: CPU);

    /// <summary>The contexts as one tensor <c>[batch, longest]</c>, int64, padded with token 0.</summary>
    public static Tensor Padded(IReadOnlyList<int[]> contexts)
    {
        int longest = contexts.Max(c => c.Length);
        return tensor(contexts.SelectMany(c => Enumerable.Range(0, longest).Select(t => t < c.Length ? (long)c[t] : 0)).ToArray(), [contexts.Count, longest], device: CPU);
    }
}
