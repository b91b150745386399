using Parsimony.Evaluation;
using Xunit;

namespace Parsimony.Tests.Evaluation;

public sealed class BootstrapTests
{
    private static readonly BootstrapOptions Percentile = new() { Method = BootstrapMethod.Percentile };

    [Fact]
    public void The_ends_are_those_of_the_formulas()
    {
        // Expected numbers by Python's statistics.NormalDist after Efron 1987.
        double[] replicates = [.. Enumerable.Range(0, 200).Select(i => i * i % 101 / 10.0 + i * 7 % 13 / 100.0)], leftOut = [1, 1.5, 2, 7, 2.5];
        var (low, high) = Bootstrap.Ends(3.2, replicates, leftOut, 0.9, BootstrapMethod.Bca);
        Assert.Equal(0.022058254516760245, low, 10);
        Assert.Equal(8.129769808232723, high, 10);
        (low, high) = Bootstrap.Ends(3.2, replicates, leftOut, 0.9, BootstrapMethod.Percentile);
        Assert.Equal(0.568, low, 10);
        Assert.Equal(9.623, high, 10);
    }

    [Fact]
    public void Without_bias_and_with_an_even_jackknife_both_methods_agree()
    {
        double[] replicates = [.. Enumerable.Range(-50, 101).Select(i => (double)i)];
        Assert.Equal(Bootstrap.Ends(0, replicates, [], 0.9, BootstrapMethod.Percentile), (-45, 45));
        var (low, high) = Bootstrap.Ends(0, replicates, [-1, 0, 1], 0.9, BootstrapMethod.Bca);
        Assert.Equal((-45, 45), (Math.Round(low, 9), Math.Round(high, 9)));
    }

    [Fact]
    public void The_interval_of_a_mean_is_nearly_the_normal_one()
    {
        double[] values = [.. Enumerable.Range(0, 400).Select(i => i % 2 == 0 ? 0.0 : 1)];     // standard error 0.5 / 20
        foreach (var method in Enum.GetValues<BootstrapMethod>())
        {
            var mean = Bootstrap.Mean(values, new() { Method = method });
            Assert.Equal(0.5, mean.Value);
            Assert.InRange(mean.Low, 0.451 - 0.004, 0.451 + 0.004);                            // 0.5 -+ 1.96 * 0.025
            Assert.InRange(mean.High, 0.549 - 0.004, 0.549 + 0.004);
        }
    }

    [Fact]
    public void It_holds_the_true_mean_about_as_often_as_it_says()
    {
        var random = new Random(1);
        int held = 0;
        for (int trial = 0; trial < 300; trial++)
        {
            double[] values = [.. Enumerable.Range(0, 40).Select(_ => -Math.Log(1 - random.NextDouble()))]; // exponential, mean 1
            var (_, low, high) = Bootstrap.Mean(values, new() { Resamples = 500, Confidence = 0.9, Seed = trial });
            if (low <= 1 && 1 <= high) held++;
        }
        Assert.InRange(held / 300.0, 0.84, 0.94);
    }

    [Fact]
    public void It_is_a_pure_function_of_numbers_and_seed()
    {
        double[] values = [1, 4, 2, 8, 5, 7];
        Assert.Equal(Bootstrap.Mean(values), Bootstrap.Mean(values));
        Assert.NotEqual(Bootstrap.Mean(values, new() { Resamples = 101 }), Bootstrap.Mean(values, new() { Resamples = 101, Seed = 1 }));
        Assert.Equal(new Estimate(3, 3, 3), Bootstrap.Mean([3, 3, 3]));
        Assert.Equal(new Estimate(3, 3, 3), Bootstrap.Mean([3]));
        Assert.Throws<ArgumentOutOfRangeException>(() => Bootstrap.Mean([]));
    }

    [Fact]
    public void A_rate_is_of_all_tokens_and_whole_texts_are_drawn()
    {
        var rate = Bootstrap.PerThousand([2, 0, 1], [10, 0, 40], Percentile);
        Assert.Equal(60, rate.Value);                                                           // 3 hits in 50 tokens
        Assert.Equal((25, 200), (rate.Low, rate.High));                                         // one of the two texts alone; draws without tokens left out
        Assert.True(double.IsNaN(Bootstrap.PerThousand([0], [0]).Value));
        Assert.Throws<ArgumentException>(() => Bootstrap.PerThousand([1], []));
    }

    [Fact]
    public void Every_fault_of_the_options_is_named()
    {
        string message = Assert.Throws<ArgumentException>(() => new BootstrapOptions { Resamples = 9, Confidence = 1 }.Validated()).Message;
        Assert.Contains("resamples is 9; allowed: 100 or more; confidence is 1", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Distinct_n_counts_different_n_grams_within_texts()
    {
        int[][] texts = [[1, 2, 1, 2, 3], [1, 2], [7]];
        Assert.Equal(4 / 8.0, DistinctNgrams.Of(texts, 1));                                     // 1 2 3 7 of 5 + 2 + 1
        Assert.Equal(3 / 5.0, DistinctNgrams.Of(texts, 2));                                     // 12 21 23 of 12 21 12 23 | 12
        Assert.Equal(3 / 3.0, DistinctNgrams.Of(texts, 3));
        Assert.True(double.IsNaN(DistinctNgrams.Of(texts, 6)));
        Assert.Equal(1, DistinctNgrams.Of([[65536, 1], [1, 65536]], 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => DistinctNgrams.Of(texts, 0));
    }
}
