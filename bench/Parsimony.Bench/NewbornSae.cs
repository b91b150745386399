using Parsimony.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Bench;

/// <summary>A newborn SAE whose encoder bias lets through a wanted share of some activations.</summary>
internal static class NewbornSae
{
    /// <summary>The SAE.</summary>
    /// <param name="dSae">Number of latents.</param>
    /// <param name="density">Share of active entries.</param>
    /// <param name="activations"><c>[tokens, d_model]</c>.</param>
    public static StandardSae Of(int dSae, double density, Tensor activations)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var sae = StandardSae.Create((int)activations.size(-1), dSae, seed: 0);
        var z = sae.PreActivations(activations);
        long rank = Math.Clamp((long)((1 - density) * z.size(0)), 1, z.size(0));
        sae.BEnc.sub_(z.kthvalue(rank, 0).values);
        return sae;
    }
}
