using Parsimony.FineTuning.Analysis;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Analysis;

public sealed class StatisticsTests
{
    // Published two-sided points of Student's t, to the digits of the tables.
    [Theory]
    [InlineData(12.7062, 1, 0.05)]
    [InlineData(2.5706, 5, 0.05)]
    [InlineData(2.2281, 10, 0.05)]
    [InlineData(2.0423, 30, 0.05)]
    [InlineData(1.9799, 120, 0.05)]
    [InlineData(3.1693, 10, 0.01)]
    [InlineData(4.5869, 10, 0.001)]
    [InlineData(1.9600, 1e7, 0.05)]
    public void P_of_t_is_that_of_the_tables(double t, double degrees, double p)
    {
        Assert.Equal(p, StudentT.TwoSided(t, degrees), 2e-4 * p);
        Assert.Equal(StudentT.TwoSided(t, degrees), StudentT.TwoSided(-t, degrees));
    }

    // One and two degrees of freedom have closed forms.
    [Theory]
    [InlineData(1e-6)]
    [InlineData(0.3)]
    [InlineData(1)]
    [InlineData(17)]
    [InlineData(1e5)]
    public void P_of_t_is_the_closed_form_to_many_digits(double t)
    {
        double one = 2 / Math.PI * Math.Atan(1 / t), two = 2 / (2 + t * t) / (1 + t / Math.Sqrt(2 + t * t));
        Assert.Equal(one, StudentT.TwoSided(t, 1), 1e-13 * one);
        Assert.Equal(two, StudentT.TwoSided(t, 2), 1e-13 * two);
    }

    [Fact]
    public void P_is_1_at_0_and_0_at_infinity()
    {
        Assert.Equal(1, StudentT.TwoSided(0, 7));
        Assert.Equal(0, StudentT.TwoSided(double.PositiveInfinity, 7));
        Assert.True(double.IsNaN(StudentT.TwoSided(double.NaN, 7)));
    }

    [Fact]
    public void False_discoveries_are_those_of_the_paper()
    {
        // Benjamini and Hochberg 1995, section 4.1: four of fifteen at 0.05.
        double[] p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0];
        double[] q = StudentT.FalseDiscoveryRates([.. p.Reverse()]);
        Array.Reverse(q);
        Assert.Equal(4, q.Count(rate => rate <= 0.05));
        Assert.Equal(15 * 0.0095 / 4, q[3], 1e-12);
        Assert.Equal(15 * 0.0298 / 7, q[5], 1e-12);                              // 0.0278 takes the smaller rate of a later rank
        Assert.Equal(1, q[14]);
        Assert.Empty(StudentT.FalseDiscoveryRates([]));
    }

    [Fact]
    public void T_is_the_mean_over_its_standard_error()
    {
        using var scope = NewDisposeScope();
        var x = tensor(new double[,] { { 1, 0, 5, 3 }, { 2, 0, 0, 3 }, { 4, 0, 0, 3 }, { 5, 0, 0, 3 } });
        double[] t = FeatureStatistics.TOf(x).Doubles();
        Assert.Equal(3 / Math.Sqrt(10.0 / 3 / 4), t[0], 1e-12);                  // mean 3, variance 10 / 3
        Assert.Equal(0, t[1]);
        Assert.Equal(1, t[2], 1e-12);                                            // one example does it all
        Assert.True(double.IsPositiveInfinity(t[3]));
        Assert.Equal([0.0, 0, 0, 0], FeatureStatistics.TOf(x[..1]).Doubles());
    }

    [Fact]
    public void A_pull_for_the_better_is_above_0_and_groups_count_once()
    {
        using var some = new SomeAnalysis();
        var (loss, rest) = (some.Loss(), DialChange.None(40));
        using var scope = NewDisposeScope();
        using var each = ExampleGradients.At(some.Seam, loss, rest, 8, [0], CancellationToken.None);
        var (scale, _) = each.Of(0);
        // One small step down the gradient of c: every latent's pull along it is for the better on average.
        var change = DialChange.Of((1 - scale * 0.01).to(ScalarType.Float32), zeros(40));
        var statistics = FeatureStatistics.Of(each, change, loss);
        Assert.Equal(6, statistics.Groups);
        Assert.All(change.Changed, i => Assert.True(statistics.T[i] > 0));
        Assert.All(change.Changed, i => Assert.Equal(statistics.T[i], Math.Abs(statistics.TScale[i]), 1e-4 * statistics.T[i]));
        Assert.Equal(change.Changed.Count, statistics.P.Count(p => p < 1));
        Assert.All(statistics.P.Zip(statistics.Q), pq => Assert.True(pq.Second >= pq.First));
    }
}
