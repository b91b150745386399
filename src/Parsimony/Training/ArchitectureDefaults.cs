namespace Parsimony.Training;

/// <summary>What "by architecture" means in <see cref="SaeTrainingOptions"/>: the article's way for its own SAE, the peers' for the others.</summary>
internal static class ArchitectureDefaults
{
    /// <summary>The options with nothing left open.</summary>
    public static SaeTrainingOptions Resolve(SaeTrainingOptions o)
    {
        bool free = o.DecoderConstraint == DecoderConstraint.Free, article = o.Architecture == SaeArchitecture.Standard && !free;
        return o with
        {
            GradientClip = o.GradientClip ?? (article ? 0 : 1),                             // dictionary_learning's TopK and JumpReLU, SAELens: 1
            Resampling = o.Resampling ?? (HasL1(o) ? DeadLatentCure.Kaiming : DeadLatentCure.Never),
            Start = o.Start with
            {
                EncoderStart = o.Start.EncoderStart ?? (article || o.Architecture == SaeArchitecture.Transcoder ? EncoderStart.Kaiming : EncoderStart.DecoderTransposed),
                DecoderStartNorm = o.Start.DecoderStartNorm ?? (free ? 0.1 : 1),            // SAELens: 0.1
                DecoderBiasStart = o.Start.DecoderBiasStart ?? (NeedsK(o.Architecture) ? DecoderBiasStart.GeometricMedian : DecoderBiasStart.Zero),
                ActivationScaling = o.Start.ActivationScaling
                    ?? (o.Architecture == SaeArchitecture.Jumprelu ? ActivationScaling.UnitNorm : ActivationScaling.Raw), // as its bandwidth
            },
        };
    }

    /// <summary>Whether the sparsity term is an L1, whose weight can be steered.</summary>
    public static bool HasL1(SaeTrainingOptions o) =>
        o.Architecture is SaeArchitecture.Standard or SaeArchitecture.Gated || o is { Architecture: SaeArchitecture.Transcoder, TopK.K: null };

    /// <summary>Whether there is no such SAE without a k.</summary>
    public static bool NeedsK(SaeArchitecture architecture) =>
        architecture is SaeArchitecture.Topk or SaeArchitecture.Batchtopk or SaeArchitecture.MatryoshkaBatchtopk;

    /// <summary>The weight that the sparsity term starts with.</summary>
    public static double SparsityCoefficient(SaeTrainingOptions o) =>
        HasL1(o) ? o.L1Coefficient : o.Architecture == SaeArchitecture.Jumprelu ? o.Jumprelu.L0Coefficient : 0;

    /// <summary>The L0 to reach, latents per token; null: none is set.</summary>
    public static double? TargetL0(SaeTrainingOptions o, int dSae) => o.TargetL0 ?? o.TargetL0Fraction * dSae;
}
