using System.ComponentModel;
using Parsimony.Text;
using Parsimony.Training;

namespace Parsimony.FineTuning.Rewards;

/// <summary>A reward for the words of a list.</summary>
public sealed record LexiconRewardOptions
{
    /// <summary>The list, as <see cref="Lexicon.Load"/> reads it; must be given.</summary>
    [Description("word list: a word or phrase on each line, after a tab its weight")]
    public string Path { get; init; } = "";

    /// <summary>What this reward counts for in the sum. Default 1.</summary>
    [Description("what this reward counts for in the sum")]
    public double Weight { get; init; } = 1;

    /// <summary>What an occurrence of weight 1 adds. Default -1: a penalty.</summary>
    [Description("what one occurrence of a word of weight 1 adds; below 0 is a penalty")]
    public double ScorePerHit { get; init; } = -1;

    /// <summary>The largest sum of weights that counts, in either direction, above 0; null: no limit. Default null.</summary>
    [Description("largest sum of a text's word weights that counts; none: no limit")]
    public double? Cap { get; init; }

    /// <summary>Whether the score lies on the tokens that make up the words; else it is of the whole text. Default true.</summary>
    [Description("lay the score on the tokens that make up the words, instead of on the text")]
    public bool PerToken { get; init; } = true;

    /// <summary>Whether disguised words count too. Default false.</summary>
    [Description("also find w0rds, wooords, w.o.r.d.s and w*rds")]
    public bool Disguised { get; init; }

    /// <summary>Which words of the list are looked for. Default all.</summary>
    [Description("words looked for: all, rewarded (not held out) or held_out")]
    public LexiconSide Side { get; init; } = LexiconSide.All;

    /// <summary>Share of the words that is held out where a side is chosen, above 0 and below 1. Default 0.5.</summary>
    [Description("share of the words that is held out, where a side is chosen")]
    public double HeldOutFraction { get; init; } = 0.5;

    /// <summary>Texts without any hit after which a warning is given, 1 or more. Default 1000.</summary>
    [Description("texts without any hit after which it is said that the list matches nothing")]
    public int WarnAfterTexts { get; init; } = 1000;

    /// <summary>These options, checked.</summary>
    /// <exception cref="ArgumentException">Names every fault.</exception>
    public LexiconRewardOptions Validated()
    {
        var faults = new OptionFaults();
        faults.Check(Path.Length > 0, "path", "empty", "a word list");
        faults.Check(double.IsFinite(Weight), "weight", Weight, "a finite number");
        faults.Check(double.IsFinite(ScorePerHit), "score_per_hit", ScorePerHit, "a finite number");
        faults.Check(Cap is not { } cap || (double.IsFinite(cap) && cap > 0), "cap", Cap, "above 0, or none");
        faults.Check(Enum.IsDefined(Side), "side", Side, "all, rewarded or held_out");
        faults.Check(TextSplit.IsPossible(HeldOutFraction), "held_out_fraction", HeldOutFraction, "above 0 and below 1");
        faults.Check(WarnAfterTexts >= 1, "warn_after_texts", WarnAfterTexts, "1 or more");
        faults.ThrowIfAny("the options of the lexicon reward");
        return this;
    }
}
