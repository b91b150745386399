using Parsimony.Autoencoders;
using static TorchSharp.torch;

namespace Parsimony.FineTuning;

/// <summary>Some latents of an SAE as an SAE of their own: of one whose latents do not depend on each other the others may be left away where they do nothing.</summary>
internal static class FewLatents
{
    /// <summary>Copies them; null where latents compete with each other.</summary>
    /// <param name="sae">The SAE.</param>
    /// <param name="latents">Which, <c>[k]</c>, int64.</param>
    public static ISparseAutoencoder? Of(ISparseAutoencoder sae, Tensor latents)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Tensor Of(Tensor t, long axis = 0) => t.index_select(axis, latents);
        return sae switch
        {
            StandardSae s => new StandardSae(Of(s.WEnc, 1), Of(s.WDec), Of(s.BEnc), s.BDec, s.ApplyBDecToInput),
            JumpReluSae s => new JumpReluSae(Of(s.WEnc, 1), Of(s.WDec), Of(s.BEnc), s.BDec, Of(s.Threshold), s.ApplyBDecToInput),
            _ => null,
        };
    }

    /// <summary>The same with tensors that live in the caller's scope.</summary>
    public static ISparseAutoencoder? InScope(ISparseAutoencoder sae, Tensor latents)
    {
        using var scope = NewDisposeScope();
        var few = Of(sae, latents);
        foreach (var t in few?.Weights.Values ?? [])
        {
            scope.Attach(t);
            t.MoveToOuterDisposeScope();
        }
        return few;
    }
}
