using static TorchSharp.torch;

namespace Parsimony.Evaluation;

/// <summary>Which positions of a batch count: windows shorter than the longest are padded on the right, and neither padding nor what an earlier window has counted does.</summary>
internal static class ValidTokens
{
    /// <summary>The rows of <c>[batch, longest, width]</c> that are tokens which count, as <c>[tokens, width]</c>, window by window.</summary>
    /// <param name="padded">One row per window.</param>
    /// <param name="windows">The windows, unpadded.</param>
    public static Tensor Of(Tensor padded, IReadOnlyList<EvaluationWindow> windows) => Rows(padded, windows, w => (w.Seen, w.Ids.Length));

    /// <summary>Those after which a token is predicted, in the order of <see cref="Targets"/>.</summary>
    public static Tensor BeforeTargets(Tensor padded, IReadOnlyList<EvaluationWindow> windows) =>
        Rows(padded, windows, w => (w.FirstPredicted - 1, w.Ids.Length - 1));

    /// <summary>The tokens to be predicted, <c>[predictions]</c> int64: all that count and have another before them in their window.</summary>
    public static Tensor Targets(IReadOnlyList<EvaluationWindow> windows) =>
        tensor(windows.SelectMany(w => w.Ids.Skip(w.FirstPredicted)).Select(id => (long)id).ToArray(), device: CPU);

    /// <summary>The windows as one tensor <c>[batch, longest]</c>, int64, padded with token 0.</summary>
    public static Tensor Padded(IReadOnlyList<EvaluationWindow> windows)
    {
        int longest = windows.Max(w => w.Ids.Length);
        return tensor(windows.SelectMany(w => Enumerable.Range(0, longest).Select(t => t < w.Ids.Length ? (long)w.Ids[t] : 0)).ToArray(), [windows.Count, longest], device: CPU);
    }

    private static Tensor Rows(Tensor padded, IReadOnlyList<EvaluationWindow> windows, Func<EvaluationWindow, (int From, int To)> range)
    {
        long longest = padded.size(1);
        var flat = padded.reshape(-1, padded.size(-1));
        if (windows.All(w => range(w) == (0, longest))) return flat;
        var rows = windows.SelectMany((w, row) => Enumerable.Range(range(w).From, range(w).To - range(w).From).Select(t => row * longest + t));
        using var index = tensor(rows.ToArray(), device: padded.device);
        return flat.index_select(0, index);
    }
}
