namespace Parsimony.FineTuning.Analysis;

/// <summary>What became of a latent, in a word. A latent may have several.</summary>
public enum DialWord
{
    /// <summary>Its dials are at rest.</summary>
    Unchanged,

    /// <summary>It fires on none of the texts, before or after: nothing can be said of it.</summary>
    Silent,

    /// <summary>It fired and no longer does.</summary>
    Off,

    /// <summary>It did not fire and now does.</summary>
    Born,

    /// <summary>c is below 0: it fires where it was most silent.</summary>
    Inverted,

    /// <summary>It fires on 99 % of the tokens or more, and did not.</summary>
    AlwaysOn,

    /// <summary>Its threshold -d/c is below 0: it fires on weaker evidence.</summary>
    Earlier,

    /// <summary>Its threshold is above 0: it takes more to make it fire.</summary>
    Later,

    /// <summary>Where it fired and still does, it is stronger.</summary>
    Louder,

    /// <summary>Where it fired and still does, it is weaker.</summary>
    Quieter,

    /// <summary>Its dials moved and nothing came of it.</summary>
    Barely,
}

/// <summary>The rules by which dials are put in words, whether they were measured on texts or are told from a histogram.</summary>
internal static class DialWords
{
    private const double Least = 0.01;  // of the mean active pre-activation, or of the loudness: below, nothing came of it
    private const double Always = 0.99; // of the tokens

    /// <summary>What became of a latent.</summary>
    /// <param name="scale">c.</param>
    /// <param name="shift">d.</param>
    /// <param name="before">Share of the tokens on which it fires at rest.</param>
    /// <param name="after">The same with the dials.</param>
    /// <param name="moved">Asked where c is above 0 and it fired: how far its threshold moved; the mean pre-activation where it fired, in the same unit; and how loud it is where it fires both times, as a multiple of what it was,
    /// NaN where it nowhere does.</param>
    public static DialWord[] Of(double scale, double shift, double before, double after, Func<(double Threshold, double Usual, double Loudness)> moved)
    {
        if (scale == 1 && shift == 0) return [DialWord.Unchanged];
        if (after <= 0) return [before <= 0 ? DialWord.Silent : DialWord.Off];
        var words = new List<DialWord>();
        if (scale < 0) words.Add(DialWord.Inverted);
        if (before <= 0) words.Add(DialWord.Born);
        if (after >= Always && before < Always) words.Add(DialWord.AlwaysOn);
        if (scale > 0 && before > 0)
        {
            var (threshold, usual, loudness) = moved();
            if (Math.Abs(threshold) > Least * usual) words.Add(threshold < 0 ? DialWord.Earlier : DialWord.Later);
            if (Math.Abs(loudness - 1) > Least) words.Add(loudness > 1 ? DialWord.Louder : DialWord.Quieter);
        }
        return words.Count > 0 ? [.. words] : [DialWord.Barely];
    }
}
