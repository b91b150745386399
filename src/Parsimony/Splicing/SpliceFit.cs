using Parsimony.Autoencoders;
using Parsimony.Models;

namespace Parsimony.Splicing;

/// <summary>Whether an SAE can be spliced into a model at a hook point at all.</summary>
internal static class SpliceFit
{
    /// <exception cref="ArgumentException">The model has no such layer, the SAE is of another width, or a transcoder writes nowhere or before it reads.</exception>
    public static void Ensure(Transformer model, HookPoint at, ISparseAutoencoder sae, HookPoint? to = null)
    {
        if (to is not { } output)
        {
            if (sae is Transcoder) throw new ArgumentException(
                $"a {sae.Architecture} reads one hook point and writes another, so it cannot take the place of the activation at {at}. "
                + "Say where it writes, or use an autoencoder.");
        }
        else if (output.Layer >= model.Config.NLayers || (output.Layer, output.Site).CompareTo((at.Layer, at.Site)) <= 0 || model.Width(output.Site) != sae.DOut)
            throw new ArgumentException($"the transcoder reads {at} and writes {sae.DOut} numbers at {output}; expected a later hook point of the model as wide as that.");
        if (at.Layer < 0 || at.Layer >= model.Config.NLayers) throw new ArgumentException(
            $"{at} names layer {at.Layer}; this model has layers 0 to {model.Config.NLayers - 1}.");
        if (model.Width(at.Site) != sae.DModel) throw new ArgumentException(
            $"the SAE reads activations of width {sae.DModel}; {at} of this model has width {model.Width(at.Site)}. "
            + "Use an SAE that was trained on this hook point of this model.");
    }
}
