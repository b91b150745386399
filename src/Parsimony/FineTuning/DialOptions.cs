using System.ComponentModel;
using Parsimony.Splicing;
using Parsimony.Training;

namespace Parsimony.FineTuning;

/// <summary>In what a shift is counted while it is learnt.</summary>
public enum ShiftUnit
{
    /// <summary>In the units of the pre-activations. The default, and the article's.</summary>
    One,

    /// <summary>In the latent's own mean activation where it fires, on what is learnt from: d = s delta, and one learning rate fits loud and quiet latents. Latents
    /// that never fire keep 1.</summary>
    Activation,
}

/// <summary>How dials are put into the model and what they may become, whatever they learn from. <see cref="Article2023"/> is the article's way.</summary>
public sealed record DialOptions
{
    /// <summary>Replace (the article's) or delta, at which untouched dials are bitwise the plain model. Default delta.</summary>
    [Description("how the SAE is spliced in: 'delta' keeps the SAE's error, 'replace' is the article's")]
    public SpliceMode Mode { get; init; } = SpliceMode.Delta;

    /// <summary>Weight decay draws c itself toward 0, as the article did, instead of c - 1. This drags every feature down, learnt or not. Default false.</summary>
    [Description("decay the scale c toward 0 as the article did, instead of toward 1; it shrinks every feature, learnt or not")]
    public bool DecayOnScale { get; init; }

    /// <summary>The smallest scale allowed after a step, 1 or less; null leaves c free, so that a latent may be inverted (c below 0). Default 0.</summary>
    [Description("the smallest scale c allowed; none: free, even below 0, where a latent is inverted")]
    public double? MinScale { get; init; } = 0;

    /// <summary>In what the shift is counted. Default one.</summary>
    [Description("in what the shift d is counted while it is learned: one, or activation (each latent's own mean activation)")]
    public ShiftUnit ShiftUnit { get; init; }

    /// <summary>lambda of <see cref="FineTuning.GroupLasso"/>, 0 or more: each step draws every pair (c - 1, d) straight toward rest by learning
    /// rate x this, and latents that the data does not pull harder stay there exactly. AdamW steps by about one learning rate: 0.5 is much.
    /// Default 0.</summary>
    [Description("weight of the group lasso, which keeps latents that matter little exactly at rest; 0.5 is much")]
    public double GroupLasso { get; init; }

    /// <summary>Latents that fire on fewer of the tokens learnt from (of a first batch, where the model itself writes them) keep their dials at
    /// rest, 0 or more. Default 0: all may move.</summary>
    [Description("latents that fire on fewer of the tokens learned from are not moved")]
    public long MinFirings { get; init; }

    /// <summary>The only latents that may move; null: all. Default null.</summary>
    [Description("the only latents that may be moved; not given: all")]
    public IReadOnlyList<int>? AllowLatents { get; init; }

    /// <summary>Latents that may not move; null: none. Default null.</summary>
    [Description("latents that are not moved")]
    public IReadOnlyList<int>? FreezeLatents { get; init; }

    /// <summary>At which tokens the dials act: of the prompt, of the response, or all; at the others they are at rest. Default all.</summary>
    [Description("at which tokens the dials act: all, prompt or response")]
    public TokenPositions Positions { get; init; }

    /// <summary>The article's way: the SAE replaces the activation, decay draws c itself toward 0, and c is free.</summary>
    public static DialOptions Article2023 { get; } = new() { Mode = SpliceMode.Replace, DecayOnScale = true, MinScale = null };

    /// <summary>These options, checked.</summary>
    /// <exception cref="ArgumentException">Names every fault at once.</exception>
    public DialOptions Validated()
    {
        var faults = new OptionFaults();
        faults.Check(Enum.IsDefined(Mode), "mode", Mode, "replace or delta");
        faults.Check(MinScale is not { } min || min <= 1, "min_scale", MinScale, "1 or less, or not set");
        faults.Check(Enum.IsDefined(ShiftUnit), "shift_unit", ShiftUnit, "one or activation");
        faults.AtLeast(0, GroupLasso);
        faults.AtLeast(0, MinFirings);
        faults.Check(Enum.IsDefined(Positions), "positions", Positions, "all, prompt or response");
        faults.ThrowIfAny("the options of the dials");
        return this;
    }
}
