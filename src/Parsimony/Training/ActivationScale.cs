using Parsimony.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>
/// The only owner of the factors on activations while an SAE learns: it measures them, applies them, and folds them into what is saved. ReLU, JumpReLU,
/// TopK and Gated are positively homogeneous, <c>SAE(s x) / s</c> is the same SAE with biases and thresholds divided by s, so nothing is lost.
/// </summary>
/// <param name="Input">s on what is read; above 0.</param>
/// <param name="Output">s on what is written; <paramref name="Input"/> for all but transcoders.</param>
internal readonly record struct ActivationScale(double Input, double Output)
{
    /// <summary>No scaling.</summary>
    public static ActivationScale One { get; } = new(1, 1);

    /// <summary>Measures the factor for a sample.</summary>
    /// <param name="scaling">What the scaled activations shall be.</param>
    /// <param name="sample"><c>[n, width]</c>, not all zero.</param>
    /// <exception cref="InvalidOperationException">The sample is all zeros, or not finite.</exception>
    public static double Measure(ActivationScaling scaling, Tensor sample)
    {
        if (scaling == ActivationScaling.Raw) return 1;
        using var scope = NewDisposeScope();
        var norms = sample.to(ScalarType.Float64).norm(1);
        double size = scaling == ActivationScaling.MeanNorm ? norms.mean().item<double>() : Math.Sqrt(norms.square().mean().item<double>());
        if (!(size > 0) || !double.IsFinite(size))
            throw new InvalidOperationException($"The activations cannot be scaled: their size is {size}. Look at the hook point and at the model there.");
        return scaling == ActivationScaling.UnitNorm ? 1 / size : Math.Sqrt(sample.shape[1]) / size;
    }

    /// <summary>What the encoder learns on; <paramref name="x"/> itself where s is 1.</summary>
    public Tensor OfInput(Tensor x) => Input == 1 ? x : x * Input;

    /// <summary>What the decoder learns to make; <paramref name="target"/> itself where s is 1.</summary>
    public Tensor OfOutput(Tensor target) => Output == 1 ? target : target * Output;

    /// <summary>The SAE for raw activations. Where the scales differ (a transcoder) their ratio goes into W_enc and W_skip, so that decoder rows keep their length.</summary>
    /// <param name="sae">Learnt on scaled activations; used up unless s is 1.</param>
    /// <exception cref="NotSupportedException">An architecture that this does not know.</exception>
    public ISparseAutoencoder Fold(ISparseAutoencoder sae)
    {
        if (this == One) return sae;
        using var scope = NewDisposeScope();
        using var _ = sae;
        double s = Output, ratio = Input / Output;
        return sae.With((name, weight) => name switch
        {
            "W_enc" or "W_skip" => ratio == 1 ? weight : weight * ratio,
            "W_dec" or "r_mag" => weight,
            _ => weight / s,
        });
    }
}
