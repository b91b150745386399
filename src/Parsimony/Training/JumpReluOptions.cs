using System.ComponentModel;

namespace Parsimony.Training;

/// <summary>How JumpReLU's thresholds learn. Defaults are dictionary_learning's; bandwidth and threshold are in the units the step learns in, so they go with
/// activations scaled to mean square 1 (<see cref="ActivationScaling.UnitNorm"/>, the default of this architecture).</summary>
public sealed record JumpReluOptions
{
    /// <summary>Weight of the sparsity term: (L0 / target - 1)² with a target L0, else L0 itself. Default 1.</summary>
    [Description("jumprelu: weight of (L0 / target_l0 - 1)^2, or of L0 when there is no target")]
    public double L0Coefficient { get; init; } = 1;

    /// <summary>Width of the window in which a threshold feels its pre-activations, ε. Default 0.001.</summary>
    [Description("jumprelu: width of the straight-through estimator's window")]
    public double Bandwidth { get; init; } = 0.001;

    /// <summary>Every latent's first threshold. Default 0.001.</summary>
    [Description("jumprelu: first threshold of every latent")]
    public double FirstThreshold { get; init; } = 0.001;

    /// <summary>Where the sparsity term's window looks. Default <see cref="JumpReluWindow.PreActivations"/>, the paper's.</summary>
    [Description("jumprelu: pre_activations (the paper) | activations (dictionary_learning)")]
    public JumpReluWindow Window { get; init; }

    /// <summary>Adds what is wrong with these options to a list.</summary>
    internal void Validate(OptionFaults faults)
    {
        faults.Check(L0Coefficient >= 0 && double.IsFinite(L0Coefficient), "l0_coefficient", L0Coefficient, "0 or more");
        faults.Check(Bandwidth > 0 && double.IsFinite(Bandwidth), "bandwidth", Bandwidth, "above 0");
        faults.Check(FirstThreshold >= 0 && double.IsFinite(FirstThreshold), "first_threshold", FirstThreshold, "0 or more");
        faults.Check(Enum.IsDefined(Window), "window", Window, "pre_activations, activations");
    }
}

/// <summary>What the straight-through estimator of L0 compares with the threshold.</summary>
public enum JumpReluWindow
{
    /// <summary>The pre-activation h, as in the paper.</summary>
    PreActivations,
    /// <summary>The latent f, as dictionary_learning does: a latent that is off counts as 0, and lies in the window of every threshold below half a bandwidth.</summary>
    Activations,
}
