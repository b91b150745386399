namespace Parsimony.Exploration.Labels;

/// <summary>How often yes and no were answered rightly.</summary>
/// <param name="TruePositives">Yes, and yes it is.</param>
/// <param name="FalseNegatives">No, but yes it is.</param>
/// <param name="TrueNegatives">No, and no it is not.</param>
/// <param name="FalsePositives">Yes, but no it is not.</param>
public sealed record BinaryScore(int TruePositives, int FalseNegatives, int TrueNegatives, int FalsePositives)
{
    /// <summary>Questions whose answer is yes.</summary>
    public int Positives => TruePositives + FalseNegatives;

    /// <summary>Questions whose answer is no.</summary>
    public int Negatives => TrueNegatives + FalsePositives;

    /// <summary>Mean of the share of positives and the share of negatives answered rightly, 0 to 1: 0.5 for whoever answers always alike. Not a number where there are no positives or no negatives.</summary>
    public double BalancedAccuracy => (Recall + Share(TrueNegatives, Negatives)) / 2;

    /// <summary>Share of right ones among what was answered yes, 0 to 1; 0 where nothing was.</summary>
    public double Precision => TruePositives + FalsePositives == 0 ? 0 : Share(TruePositives, TruePositives + FalsePositives);

    /// <summary>Share of the positives that were answered yes, 0 to 1. Not a number where there are none.</summary>
    public double Recall => Share(TruePositives, Positives);

    /// <summary><c>2 TP / (2 TP + FP + FN)</c>, the harmonic mean of precision and recall, 0 to 1. Not a number where all three are 0.</summary>
    public double F1 => Share(2 * TruePositives, 2 * TruePositives + FalsePositives + FalseNegatives);

    /// <summary>Counts answers.</summary>
    /// <param name="answers">What is true, and what was answered.</param>
    public static BinaryScore Of(IEnumerable<(bool Truth, bool Answer)> answers)
    {
        var score = new BinaryScore(0, 0, 0, 0);
        foreach (var (truth, answer) in answers)
            score = (truth, answer) switch
            {
                (true, true) => score with { TruePositives = score.TruePositives + 1 },
                (true, false) => score with { FalseNegatives = score.FalseNegatives + 1 },
                (false, false) => score with { TrueNegatives = score.TrueNegatives + 1 },
                (false, true) => score with { FalsePositives = score.FalsePositives + 1 },
            };
        return score;
    }

    private static double Share(int part, int whole) => whole == 0 ? double.NaN : (double)part / whole;
}
