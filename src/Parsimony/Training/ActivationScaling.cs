namespace Parsimony.Training;

/// <summary>What the factor s on activations makes of them while an SAE learns.</summary>
public enum ActivationScaling
{
    /// <summary>s = 1.</summary>
    Raw,
    /// <summary>Mean norm √d_model: s = √d_model / mean |x| (Anthropic's, SAELens' expected_average_only_in).</summary>
    MeanNorm,
    /// <summary>Mean square of a coordinate 1: s = √d_model / √(mean |x|²).</summary>
    Rms,
    /// <summary>Mean square of the norm 1: s = 1 / √(mean |x|²) (dictionary_learning's).</summary>
    UnitNorm,
}
