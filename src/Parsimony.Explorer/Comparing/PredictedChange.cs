using Parsimony.Exploration.Index;
using Parsimony.FineTuning.Analysis;

namespace Parsimony.Explorer.Comparing;

/// <summary>What dials do to a latent, as far as the index's pre-activations tell: no pass of the model, and nothing of the length of its decoder row or of what it is for.</summary>
internal static class PredictedChange
{
    private const double Least = 0.01, Always = 0.99;

    /// <summary>Mean over tokens of |f' - f|, with each bin's tokens in its middle; activation units.</summary>
    public static double Of(PreActivationHistogram z, double scale, double shift)
    {
        double sum = 0;
        long tokens = 0;
        for (int i = 0; i < z.Counts.Count; i++)
        {
            uint count = z.Counts[i];
            if (count == 0) continue;
            double middle = (z.Edge(i) + z.Edge(i + 1)) / 2;
            sum += count * Math.Abs(Fires(scale * middle + shift, z.Threshold) - Fires(middle, z.Threshold));
            tokens += count;
        }
        return tokens == 0 ? 0 : sum / tokens;

        static double Fires(double u, double threshold) => u > threshold && u > 0 ? u : 0;
    }

    /// <summary>What became of it, in the words of an analysis.</summary>
    public static IReadOnlyList<DialWord> Words(PreActivationHistogram z, double scale, double shift)
    {
        if (scale == 1 && shift == 0) return [DialWord.Unchanged];
        double before = z.Density(1, 0).Value, after = z.Density(scale, shift).Value;
        if (before == 0 && after == 0) return [DialWord.Silent];
        if (after == 0) return [DialWord.Off];
        var words = new List<DialWord>();
        if (scale < 0) words.Add(DialWord.Inverted);
        if (before == 0) words.Add(DialWord.Born);
        if (after >= Always && before < Always) words.Add(DialWord.AlwaysOn);
        if (scale > 0 && before > 0)
        {
            double usual = z.Mean(1, 0).Value / before, threshold = -shift / scale, loud = (scale * usual + shift) / usual;
            if (Math.Abs(threshold) > Least * usual) words.Add(threshold < 0 ? DialWord.Earlier : DialWord.Later);
            if (Math.Abs(loud - 1) > Least) words.Add(loud > 1 ? DialWord.Louder : DialWord.Quieter);
        }
        return words.Count > 0 ? words : [DialWord.Barely];
    }

    /// <summary>A word for people.</summary>
    public static string Text(DialWord word) => word switch
    {
        DialWord.AlwaysOn => "always on",
        DialWord.Silent => "silent on this text",
        DialWord.Barely => "hardly changed",
        _ => word.ToString().ToLowerInvariant(),
    };
}
