using CsCheck;
using Parsimony.Exploration.Labels;
using Xunit;

namespace Parsimony.Tests.Exploration.Labels;

/// <summary>The figures labels are told by.</summary>
public sealed class LabelMetricTests
{
    [Fact]
    public void Counts_give_balanced_accuracy_precision_recall_and_F1()
    {
        var score = new BinaryScore(TruePositives: 6, FalseNegatives: 2, TrueNegatives: 9, FalsePositives: 3);
        Assert.Equal((8, 12), (score.Positives, score.Negatives));
        Assert.Equal((6 / 8d + 9 / 12d) / 2, score.BalancedAccuracy);
        Assert.Equal(6 / 9d, score.Precision);
        Assert.Equal(0.75, score.Recall);
        Assert.Equal(12 / 17d, score.F1); // the harmonic mean of 2/3 and 3/4
        Assert.Equal(new BinaryScore(1, 2, 3, 4), BinaryScore.Of([(true, true), (true, false), (true, false), (false, false), (false, false), (false, false), (false, true), (false, true), (false, true), (false, true)]));
    }

    [Fact]
    public void Who_knows_has_1_who_says_always_the_same_has_one_half_whatever_the_share_of_positives() => Gen.Select(Gen.Int[1, 50], Gen.Int[1, 50]).Sample((positives, negatives) =>
    {
        bool[] truth = [.. Enumerable.Repeat(true, positives), .. Enumerable.Repeat(false, negatives)];
        Assert.Equal(1, BinaryScore.Of(truth.Select(t => (t, t))).BalancedAccuracy);
        Assert.Equal(1, BinaryScore.Of(truth.Select(t => (t, t))).F1);
        Assert.Equal(0.5, BinaryScore.Of(truth.Select(t => (t, true))).BalancedAccuracy);
        Assert.Equal(0.5, BinaryScore.Of(truth.Select(t => (t, false))).BalancedAccuracy);
        Assert.Equal(0, BinaryScore.Of(truth.Select(t => (t, false))).Precision);
        Assert.Equal(0, BinaryScore.Of(truth.Select(t => (t, !t))).BalancedAccuracy);
    });

    [Fact]
    public void Without_positives_or_negatives_there_is_no_balanced_accuracy()
    {
        Assert.True(double.IsNaN(BinaryScore.Of([(true, true)]).BalancedAccuracy));
        Assert.True(double.IsNaN(BinaryScore.Of([(false, true)]).BalancedAccuracy));
    }

    [Fact]
    public void Correlations_are_those_of_the_textbook_formulas()
    {
        double[] x = [1, 2, 3, 4, 5, 6, 7], y = [2, 1, 4, 3, 7, 5, 50];
        Assert.Equal(0.6785725814065414, Correlation.Pearson(x, y), 1e-12);
        Assert.Equal(0.8928571428571429, Correlation.Spearman(x, y), 1e-12); // no ties: 1 - 6 * 6 / (7 * 48)
        Assert.Equal([1.5, 1.5, 3, 4.5, 4.5], Correlation.Ranks([0, 0, 1, 2, 2]));
        Assert.Equal(0.75, Correlation.Spearman([0, 0, 1, 2, 2], [0, 3, 0, 5, 5]), 1e-12);
    }

    [Fact]
    public void A_constant_row_correlates_with_nothing_and_a_row_with_itself_wholly()
    {
        double[] x = [0.1, 0.3, 0.2, 0.2], constant = [0.1, 0.1, 0.1, 0.1];
        Assert.Equal(0, Correlation.Pearson(x, constant));
        Assert.Equal(0, Correlation.Spearman(constant, x));
        Assert.Equal(1, Correlation.Pearson(x, x), 1e-12);
        Assert.Equal(-1, Correlation.Spearman(x, [.. x.Select(v => -v)]), 1e-12);
        Assert.Equal(0, Correlation.Pearson([], []));
        Assert.Contains("as many of both", Assert.Throws<ArgumentException>(() => Correlation.Pearson(x, [1])).Message, StringComparison.Ordinal);
    }
}
