using System.ComponentModel;
using Parsimony.Training;

namespace Parsimony.Cli.Runs;

/// <summary>What is done instead of learning.</summary>
internal enum Decoding
{
    Learn,
    BestOfN,
    BannedWords,
    Clamp,
}

/// <summary>Baselines that learn nothing.</summary>
internal sealed record DecodingOptions
{
    [Description("learn, or for comparison learn nothing: best_of_n (keep what the reward likes most), banned_words (never say the rewarded list's), clamp (hold one latent)")]
    public Decoding Decoding { get; init; }

    [Description("best_of_n: how many are sampled for each that is kept")]
    public int BestOf { get; init; } = 4;

    [Description("clamp: the latent that is held")]
    public int? ClampLatent { get; init; }

    [Description("clamp: the value it is held at; 0 takes it out")]
    public double ClampValue { get; init; }

    [Description("clamp: only at tokens on which it fires")]
    public bool ClampWhereItFires { get; init; }

    /// <summary>These options, checked.</summary>
    public DecodingOptions Validated()
    {
        var faults = new OptionFaults();
        faults.Check(BestOf >= 1, "best_of", BestOf, "1 or more");
        faults.Check(Decoding is not Decoding.Clamp || ClampLatent is >= 0, "clamp_latent", ClampLatent, "0 or more");
        faults.Check(double.IsFinite(ClampValue), "clamp_value", ClampValue, "a finite number");
        faults.ThrowIfAny("the options of decoding");
        return this;
    }
}
