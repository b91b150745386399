using System.ComponentModel;

namespace Parsimony.Training;

/// <summary>How an SAE is born, and in which scale it learns. Null: by architecture (<see cref="ArchitectureDefaults"/>).</summary>
public sealed record SaeStartOptions
{
    /// <summary>The first encoder. Null: the article's Kaiming for standard and transcoders, else the decoder transposed.</summary>
    [Description("kaiming | decoder_transposed; by architecture when not given")]
    public EncoderStart? EncoderStart { get; init; }

    /// <summary>Length of the first decoder rows. Null: 1, with free rows 0.1 (SAELens).</summary>
    [Description("length of the first decoder rows; 1, or 0.1 when they are free")]
    public double? DecoderStartNorm { get; init; }

    /// <summary>The first b_dec. Null: the geometric median for the TopK architectures, else zero.</summary>
    [Description("zero | mean | geometric_median; by architecture when not given")]
    public DecoderBiasStart? DecoderBiasStart { get; init; }

    /// <summary>The factor on activations while learning; it is folded into what is saved. Null: unit_norm for jumprelu, else raw.</summary>
    [Description("raw | mean_norm | rms | unit_norm: scale of the activations while learning; by architecture when not given")]
    public ActivationScaling? ActivationScaling { get; init; }

    /// <summary>Tokens read before the first step (and then trained on as well) to measure b_dec's start and the scale, rounded up to whole batches. Default 32,768 (Gao et al. 2024).</summary>
    [Description("tokens that b_dec's start and the scale are measured on")]
    public long SampleTokens { get; init; } = 32_768;

    /// <summary>Adds what is wrong with these options to a list.</summary>
    internal void Validate(OptionFaults faults)
    {
        faults.Check(EncoderStart is not { } encoder || Enum.IsDefined(encoder), "encoder_start", EncoderStart, "kaiming, decoder_transposed");
        faults.Check(DecoderStartNorm is null or > 0, "decoder_start_norm", DecoderStartNorm, "above 0");
        faults.Check(DecoderBiasStart is not { } bias || Enum.IsDefined(bias), "decoder_bias_start", DecoderBiasStart, "zero, mean, geometric_median");
        faults.Check(ActivationScaling is not { } scaling || Enum.IsDefined(scaling), "activation_scaling", ActivationScaling, "raw, mean_norm, rms, unit_norm");
        faults.Check(SampleTokens >= 1, "sample_tokens", SampleTokens, "1 or more");
    }
}

/// <summary>The first encoder.</summary>
public enum EncoderStart
{
    /// <summary>Kaiming uniform (<see cref="Autoencoders.KaimingUniform"/>), the article's.</summary>
    Kaiming,
    /// <summary>W_decᵀ, what the peers do.</summary>
    DecoderTransposed,
}

/// <summary>The first decoder bias.</summary>
public enum DecoderBiasStart
{
    /// <summary>Zero, the article's.</summary>
    Zero,
    /// <summary>The mean of the sample.</summary>
    Mean,
    /// <summary>The point with the least sum of distances to the sample (<see cref="Training.GeometricMedian"/>).</summary>
    GeometricMedian,
}
