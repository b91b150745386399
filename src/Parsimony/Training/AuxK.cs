using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>
/// The auxiliary loss that keeps TopK latents alive (Gao et al. 2024, dictionary_learning's form): the dead ones, k of them a token, try to
/// reconstruct what the living leave over. Also the count of tokens since each latent was kept, by which it is dead.
/// </summary>
internal sealed class AuxK : IDisposable
{
    private static readonly long[] TokenAxis = [0];
    private readonly Tensor tokensSinceKept; // [d_sae] int64
    private readonly TopKOptions options;
    private readonly int k;

    /// <param name="options">Weight, k, and when a latent is dead.</param>
    /// <param name="dSae">Number of latents.</param>
    /// <param name="dOut">Width of the reconstruction, half of which is the default k.</param>
    /// <param name="device">Where the weights are; null: the processor.</param>
    public AuxK(TopKOptions options, int dSae, int dOut, Device? device = null)
    {
        this.options = options;
        k = Math.Min(options.AuxK ?? Math.Max(1, dOut / 2), dSae);
        tokensSinceKept = zeros(dSae, ScalarType.Int64, device).DetachFromDisposeScope();
    }

    /// <summary>Takes in which latents a batch kept, then adds the loss of the dead ones where there are any.</summary>
    /// <param name="fires">Tokens on which each latent was kept, <c>[d_sae]</c>.</param>
    /// <param name="residual">xHat - target, <c>[batch, d_out]</c>; counts as a constant.</param>
    /// <param name="positive">ReLU of the pre-activations, <c>[batch, d_sae]</c>.</param>
    /// <param name="wDec"><c>[d_sae, d_out]</c>.</param>
    /// <returns>The weighted loss, and its gradients at W_dec and at the pre-activations; null when nothing is dead.</returns>
    public (Tensor Loss, Tensor DDec, Tensor Dh)? Observe(Tensor fires, Tensor residual, Tensor positive, Tensor wDec)
    {
        using var scope = NewDisposeScope();
        if (Dead(fires, positive.shape[0]) is not { } dead) return null;
        var (loss, f, dReconstruction, dh) = Of(positive.index_select(1, dead), residual, wDec.index_select(0, dead));
        return (loss.MoveToOuterDisposeScope(), zeros_like(wDec).index_copy_(0, dead, f.t().mm(dReconstruction)).MoveToOuterDisposeScope(),
            zeros_like(positive).index_copy_(1, dead, dh).MoveToOuterDisposeScope());
    }

    /// <summary>Takes in which latents a batch kept.</summary>
    /// <param name="fires">Tokens on which each latent was kept, <c>[d_sae]</c>.</param>
    /// <param name="batch">Tokens of the batch.</param>
    /// <returns>The dead ones, <c>[n]</c> int64; null where there are none, or where they have no loss.</returns>
    public Tensor? Dead(Tensor fires, long batch)
    {
        using var scope = NewDisposeScope();
        tokensSinceKept.add_(batch).masked_fill_(fires > 0, 0);
        if (options.AuxKCoefficient == 0) return null;
        var dead = (tokensSinceKept >= options.DeadAfterTokens).nonzero().view(-1);
        return dead.shape[0] == 0 ? null : dead.MoveToOuterDisposeScope();
    }

    /// <summary>The loss of dead latents: what they make of the residual, k of them a token.</summary>
    /// <param name="positive">ReLU of their pre-activations, <c>[batch, n]</c>.</param>
    /// <param name="residual">xHat - target, <c>[batch, d_out]</c>; counts as a constant.</param>
    /// <param name="wDec">Their rows, <c>[n, d_out]</c>.</param>
    /// <returns>The weighted loss, a scalar; their values; the gradients at the reconstruction that they make and at their pre-activations.</returns>
    public (Tensor Loss, Tensor F, Tensor DReconstruction, Tensor Dh) Of(Tensor positive, Tensor residual, Tensor wDec)
    {
        using var scope = NewDisposeScope();
        var f = TopKSelection.PerToken(positive, Math.Min(k, positive.shape[1])).F;
        var (loss, dReconstruction) = Loss(residual, f.mm(wDec), options.AuxKCoefficient);
        var dh = dReconstruction.mm(wDec.t()).mul_(SaeGradients.Active(f));
        return (loss.MoveToOuterDisposeScope(), f.MoveToOuterDisposeScope(), dReconstruction.MoveToOuterDisposeScope(), dh.MoveToOuterDisposeScope());
    }

    /// <summary><c>mean |e - eAux|² / mean |e - mean e|²</c> with e = -residual, times a weight; 0 where e does not vary.</summary>
    /// <param name="residual">xHat - target, <c>[batch, d_out]</c>.</param>
    /// <param name="eAux">What the dead make of it, <c>[batch, d_out]</c>.</param>
    /// <param name="coefficient">The weight.</param>
    /// <returns>The loss, a scalar, and its gradient at <paramref name="eAux"/>.</returns>
    public static (Tensor Loss, Tensor Gradient) Loss(Tensor residual, Tensor eAux, double coefficient)
    {
        using var scope = NewDisposeScope();
        var missed = residual + eAux; // eAux - e
        var variation = (residual - residual.mean(TokenAxis)).square().sum();
        var weight = where(variation > 0, coefficient / variation, zeros_like(variation));
        return ((missed.square().sum() * weight).MoveToOuterDisposeScope(), (missed * (2 * weight)).MoveToOuterDisposeScope());
    }

    /// <summary>For the checkpoint; stays this object's.</summary>
    public (string Name, Tensor Tensor) State => ("aux_k.tokens_since_kept", tokensSinceKept);

    public void Dispose() => tokensSinceKept.Dispose();
}
