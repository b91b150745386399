namespace Parsimony.Training;

/// <summary>What is minimised, in words: a saved SAE states it, because a coefficient means nothing without it.</summary>
public static class LossText
{
    private const string SquaredError = "sum over d_model of (x - x_hat)^2", Weighted = " * norm of its decoder row";

    /// <summary>The loss under some options.</summary>
    public static string Of(SaeTrainingOptions options)
    {
        var o = ArchitectureDefaults.Resolve(options);
        string l1 = o.DecoderConstraint == DecoderConstraint.Free ? Weighted : "";
        string terms = o.Architecture switch
        {
            SaeArchitecture.Jumprelu when (o.TargetL0 ?? o.TargetL0Fraction) is not null => $"{SquaredError} ] + l0_coefficient * (L0 / target_l0 - 1)^2",
            SaeArchitecture.Jumprelu => $"{SquaredError} ] + l0_coefficient * L0",
            SaeArchitecture.Gated => $"{SquaredError} + l1_coefficient * sum over latents of ReLU(gate){l1} + sum over d_model of (x - x_hat of ReLU(gate))^2 ]",
            SaeArchitecture.MatryoshkaBatchtopk => $"mean over prefixes of {SquaredError} ] + aux_k_coefficient * AuxK",
            _ when !ArchitectureDefaults.HasL1(o) => $"{SquaredError} ] + aux_k_coefficient * AuxK",
            _ => $"{SquaredError} + l1_coefficient * sum over latents of f{l1} ]",
        };
        string scaled = o.Start.ActivationScaling switch
        {
            ActivationScaling.MeanNorm => ", activations scaled to mean norm sqrt(d_model) while learning",
            ActivationScaling.Rms => ", activations scaled to mean square 1 a coordinate while learning",
            ActivationScaling.UnitNorm => ", activations scaled to mean squared norm 1 while learning",
            _ => "",
        };
        return $"mean over tokens of [ {terms}{scaled}";
    }

    /// <summary>What is done about the length of decoder rows.</summary>
    public static string Of(DecoderConstraint constraint) => constraint switch
    {
        DecoderConstraint.Renormalise => "rows renormalised after each step",
        DecoderConstraint.ProjectAndRenormalise => "gradient projected, rows renormalised after each step",
        DecoderConstraint.RenormaliseBefore => "gradient projected, rows renormalised before each step",
        _ => "free",
    };

    /// <summary>Whether the weight of the sparsity term is that of an L1.</summary>
    public static bool HasL1(SaeTrainingOptions options) => ArchitectureDefaults.HasL1(options);
}
