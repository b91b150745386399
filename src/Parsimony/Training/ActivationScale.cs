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
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        using var __ = sae;
        double s = Output, ratio = Input / Output;
        return sae switch
        {
            StandardSae t => new StandardSae(t.WEnc, t.WDec, t.BEnc / s, t.BDec / s, t.ApplyBDecToInput),
            JumpReluSae t => new JumpReluSae(t.WEnc, t.WDec, t.BEnc / s, t.BDec / s, t.Threshold / s, t.ApplyBDecToInput),
            TopKSae t => new TopKSae(t.WEnc, t.WDec, t.BEnc / s, t.BDec / s, t.K, t.ApplyBDecToInput),
            GatedSae t => new GatedSae(t.WEnc, t.WDec, t.BGate / s, t.BMag / s, t.RMag, t.BDec / s, t.ApplyBDecToInput),
            Transcoder t => new Transcoder(t.WEnc * ratio, t.WDec, t.BEnc / s, t.BDec / s, t.WSkip is null ? null : t.WSkip * ratio, t.K),
            _ => throw new NotSupportedException($"An SAE of architecture '{sae.Architecture}' cannot be folded; train it with activation_scaling raw."),
        };
    }
}
