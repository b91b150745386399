using static TorchSharp.torch;

namespace Parsimony.Autoencoders;

/// <summary>
/// What every architecture can do: turn activations into non-negative latents and those back into activations. Row i of <see cref="WDec"/> is the
/// direction of latent i.
/// </summary>
/// <remarks>float32; owns its tensors. Autograd flows through the methods to their argument unless the caller is under no_grad. How an
/// architecture learns is not its business but a training step's.</remarks>
public interface ISparseAutoencoder : IDisposable
{
    /// <summary>The architecture in SAELens' words: <c>standard</c>, <c>jumprelu</c>, <c>topk</c>, <c>gated</c>, <c>transcoder</c>, ...</summary>
    string Architecture { get; }

    /// <summary>Width of the activations that are read.</summary>
    int DModel { get; }

    /// <summary>Number of latents.</summary>
    int DSae { get; }

    /// <summary>Width of the activations that are written; <see cref="DModel"/> for all but transcoders.</summary>
    int DOut { get; }

    /// <summary>Decoder weights, <c>[d_sae, d_out]</c>.</summary>
    Tensor WDec { get; }

    /// <summary>Every tensor by its name on disk, <c>W_enc</c>, <c>W_dec</c>, <c>b_enc</c>, ...; they stay this object's.</summary>
    IReadOnlyDictionary<string, Tensor> Weights { get; }

    /// <summary>What the latents are before anything is cut off: where the dials' scale and shift act.</summary>
    /// <param name="x"><c>[..., d_model]</c>.</param>
    /// <returns><c>[..., d_sae]</c>.</returns>
    /// <exception cref="ArgumentException">The last axis is not d_model.</exception>
    Tensor PreActivations(Tensor x);

    /// <summary>The latents that pre-activations give; for the article's SAE a ReLU.</summary>
    /// <param name="preActivations"><c>[..., d_sae]</c>; not changed.</param>
    /// <returns><c>[..., d_sae]</c>, nowhere negative.</returns>
    Tensor Activate(Tensor preActivations);

    /// <summary>The latents, <c>f = Activate(PreActivations(x))</c>.</summary>
    /// <param name="x"><c>[..., d_model]</c>.</param>
    /// <returns><c>[..., d_sae]</c>, nowhere negative.</returns>
    /// <exception cref="ArgumentException">The last axis is not d_model.</exception>
    Tensor Encode(Tensor x);

    /// <summary><c>f W_dec + b_dec</c>.</summary>
    /// <param name="f"><c>[..., d_sae]</c>.</param>
    /// <returns><c>[..., d_out]</c>.</returns>
    /// <exception cref="ArgumentException">The last axis is not d_sae.</exception>
    Tensor Decode(Tensor f);

    /// <summary>What goes into the model in place of the activation: <c>Decode(Encode(x))</c>, for a skip transcoder plus its linear part.</summary>
    /// <param name="x"><c>[..., d_model]</c>.</param>
    /// <returns><c>[..., d_out]</c>.</returns>
    /// <exception cref="ArgumentException">The last axis is not d_model.</exception>
    Tensor Reconstruct(Tensor x);
}
