using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>
/// A number of each row of a matrix by way of something far wider, such as a loss by way of logits: some rows at a time, and where a gradient is wanted it is taken at once, while the
/// wide part is still in cache. So logits never exist for more than some rows, and nothing is computed twice.
/// </summary>
internal static class RowByRow
{
    private const int Fewest = 128, Numbers = 1 << 19; // of rows, so that a wide matrix is worth reading; of 2 MiB, so that they stay in cache

    /// <summary>How many rows at a time.</summary>
    /// <param name="width">Numbers of a row of the wide part.</param>
    public static int Rows(int width) => Math.Max(Fewest, Numbers / width);

    /// <summary>The numbers, with the gradient of x and of nothing else that is used.</summary>
    /// <param name="of">Some rows, <c>[rows, d]</c>, and the index of the first, to a number of each, <c>[rows]</c>: of each row alone.</param>
    /// <param name="x"><c>[n, d]</c>.</param>
    /// <param name="rows">How many at a time, 1 or more.</param>
    /// <returns><c>[n]</c>; bit by bit the same with gradient and without.</returns>
    public static Tensor Of(Func<Tensor, int, Tensor> of, Tensor x, int rows)
    {
        using var scope = NewDisposeScope();
        bool learns = is_grad_enabled() && x.requires_grad;
        var plain = x.detach();
        List<Tensor> values = [], gradients = [];
        for (int from = 0; from < x.size(0); from += rows)
        {
            using var part = NewDisposeScope();
            var some = plain.narrow(0, from, Math.Min(rows, x.size(0) - from)).detach();
            if (learns) some.requires_grad_();
            var each = of(some, from);
            if (learns) gradients.Add(autograd.grad([each.sum()], [some])[0].MoveToOuterDisposeScope());
            values.Add(each.detach().MoveToOuterDisposeScope());
        }
        var value = values.Count == 0 ? zeros(0, device: x.device) : cat(values);
        if (!learns || values.Count == 0) return value.MoveToOuterDisposeScope();
        var line = (x * cat(gradients)).sum(-1);                                                 // its value is taken off again: what stays is its gradient
        return (line - line.detach() + value).MoveToOuterDisposeScope();
    }
}
