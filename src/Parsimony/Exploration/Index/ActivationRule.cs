using Parsimony.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Exploration.Index;

/// <summary>When a latent fires, told by its own pre-activation, or not by it alone.</summary>
/// <param name="Thresholds">What the pre-activation must exceed, <c>[d_sae]</c>, 0 or more; then it is the activation.</param>
/// <param name="IsJoint">Whether the token's other latents have a say too (TopK): the thresholds are then necessary, not sufficient.</param>
internal sealed record ActivationRule(float[] Thresholds, bool IsJoint)
{
    /// <summary>The rule of an SAE.</summary>
    public static ActivationRule Of(ISparseAutoencoder sae)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var thresholds = sae switch
        {
            JumpReluSae jump => jump.Threshold.clamp_min(0),
            GatedSae gated => (gated.BMag - gated.RMag.exp() * gated.BGate).clamp_min(0),
            _ => zeros(sae.DSae),
        };
        return new(thresholds.cpu().contiguous().data<float>().ToArray(), sae is TopKSae or Transcoder { K: not null });
    }
}
