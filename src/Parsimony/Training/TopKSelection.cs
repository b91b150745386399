using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>Which latents stay: the k largest of each token, or the k · batch largest of a batch. Also the smallest that stayed, which becomes the
/// threshold of the JumpReLU that such an SAE is used as.</summary>
internal static class TopKSelection
{
    private static readonly long[] LatentAxis = [1];

    /// <summary>The k largest of each token.</summary>
    /// <param name="positive">ReLU of the pre-activations, <c>[batch, d_sae]</c>.</param>
    /// <param name="k">1 to d_sae.</param>
    /// <returns>Latents <c>[batch, d_sae]</c>; mean over tokens of the smallest positive one kept, 0 where none is.</returns>
    public static (Tensor F, Tensor Smallest) PerToken(Tensor positive, long k)
    {
        using var scope = NewDisposeScope();
        var (values, latents) = positive.topk((int)k, 1, largest: true, sorted: false);
        var smallest = OrInfinity(values).amin(LatentAxis);                        // [batch]
        var any = smallest.isfinite();
        var mean = where(any, smallest, zeros_like(smallest)).sum() / any.sum().clamp_min_(1);
        return (zeros_like(positive).scatter_(1, latents, values).MoveToOuterDisposeScope(), mean.MoveToOuterDisposeScope());
    }

    /// <summary>The k · batch largest of a batch: k a token on average.</summary>
    /// <param name="positive">ReLU of the pre-activations, <c>[batch, d_sae]</c>.</param>
    /// <param name="k">1 to d_sae.</param>
    /// <returns>Latents <c>[batch, d_sae]</c>; the smallest positive one kept, 0 where none is.</returns>
    public static (Tensor F, Tensor Smallest) PerBatch(Tensor positive, long k)
    {
        using var scope = NewDisposeScope();
        var (values, places) = positive.view(-1).topk(checked((int)(k * positive.shape[0])), 0, largest: true, sorted: false);
        var smallest = OrInfinity(values).amin();
        var f = zeros_like(positive);
        f.view(-1).scatter_(0, places, values);
        return (f.MoveToOuterDisposeScope(), where(smallest.isfinite(), smallest, zeros_like(smallest)).MoveToOuterDisposeScope());
    }

    private static Tensor OrInfinity(Tensor values) => values.masked_fill(values <= 0, float.PositiveInfinity);
}
