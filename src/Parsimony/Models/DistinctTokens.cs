using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>
/// The different tokens of a batch. What enters the first layer of a model that rotates its positions depends on the token alone, and so do its queries, keys and values before the rotation and,
/// with the parallel residual, its MLP: they are worked out once for each different token. Of 1,024 tokens of English about 450 are different.
/// </summary>
internal sealed class DistinctTokens
{
    private const int Fewest = 64;        // tokens: below, the products are small
    private const double MostOfAll = 0.8; // of the tokens: above, looking them up costs what it saves
    private readonly Tensor first, which; // [distinct]: where each is seen; [tokens]: which of them a token is
    private readonly long batch, length;

    private DistinctTokens(Tensor first, Tensor which, Tensor tokens) => (this.first, this.which, batch, length) = (first, which, tokens.size(0), tokens.size(1));

    /// <summary>The different ones among tokens <c>[batch, seq]</c>; null where it is not worth it, as on a GPU, which would wait for their number. Belongs to the caller's scope.</summary>
    public static DistinctTokens? Of(Tensor tokens, IModelConfig config, Device runsOn)
    {
        if (config.RotaryWidth == 0 || runsOn.type != DeviceType.CPU || tokens.numel() < Fewest || is_grad_enabled()) return null;
        using var scope = NewDisposeScope();
        var (values, which, _) = tokens.reshape(-1).unique(sorted: true, return_inverse: true);
        if (values.numel() > MostOfAll * tokens.numel()) return null;
        var first = zeros_like(values);
        first.scatter_(0, which!, arange(tokens.numel(), ScalarType.Int64, tokens.device));
        return new DistinctTokens(first.MoveToOuterDisposeScope(), which!.MoveToOuterDisposeScope(), tokens);
    }

    /// <summary>One row for each: <c>[batch, seq, width]</c> to <c>[1, distinct, width]</c>.</summary>
    public Tensor Rows(Tensor x) => x.reshape(-1, x.size(2)).index_select(0, first).unsqueeze(0);

    /// <summary>And back: <c>[1, distinct, width]</c> to <c>[batch, seq, width]</c>.</summary>
    public Tensor Spread(Tensor rows) => rows.squeeze(0).index_select(0, which).view(batch, length, rows.size(2));
}
