using System.ComponentModel;
using MathNet.Numerics.Statistics;
using Parsimony.Activations;
using Parsimony.Training;
using static TorchSharp.torch;

namespace Parsimony.Evaluation;

/// <summary>A number that was measured on some texts, and the interval in which it lies for texts like these.</summary>
/// <param name="Value">The number, measured on all the texts.</param>
/// <param name="Low">Lower end of the interval.</param>
/// <param name="High">Upper end of the interval.</param>
public readonly record struct Estimate(double Value, double Low, double High);

/// <summary>How an interval is read off the resamples.</summary>
public enum BootstrapMethod
{
    /// <summary>The quantiles of the resamples.</summary>
    Percentile,
    /// <summary>The same, corrected for bias and for a spread that changes with the value (BCa; Efron 1987).</summary>
    Bca,
}

/// <summary>How intervals are found.</summary>
public sealed record BootstrapOptions
{
    /// <summary>How many times texts are drawn anew, 100 or more. Default 10,000.</summary>
    [Description("how many times texts are drawn anew for an interval")]
    public int Resamples { get; init; } = 10_000;

    /// <summary>How often the interval is to hold the true value, above 0 and below 1. Default 0.95.</summary>
    [Description("how often an interval is to hold the true value")]
    public double Confidence { get; init; } = 0.95;

    /// <summary>How it is read off the resamples. Default bca.</summary>
    [Description("how an interval is read off the resamples: percentile or bca")]
    public BootstrapMethod Method { get; init; } = BootstrapMethod.Bca;

    /// <summary>Decides which texts are drawn. Default 0.</summary>
    [Description("seed of the texts that are drawn")]
    public long Seed { get; init; }

    /// <summary>These options, checked.</summary>
    /// <exception cref="ArgumentException">Names every fault.</exception>
    public BootstrapOptions Validated()
    {
        var faults = new OptionFaults();
        faults.Check(Resamples >= 100, "resamples", Resamples, "100 or more");
        faults.Check(Confidence is > 0 and < 1, "confidence", Confidence, "above 0 and below 1");
        faults.Check(Enum.IsDefined(Method), "method", Method, "percentile or bca");
        faults.ThrowIfAny("the options of the bootstrap");
        return this;
    }
}

/// <summary>
/// Intervals by resampling whole texts, with replacement (Efron and Tibshirani 1993): tokens of one text are not independent, texts are. A pure
/// function of the numbers and the seed.
/// </summary>
public static class Bootstrap
{
    /// <summary>The interval of any number of some texts.</summary>
    /// <param name="texts">How many texts there are, 1 or more.</param>
    /// <param name="statistic">The number for the texts of these indices, some perhaps several times; NaN where it is not defined: such a draw is left out.</param>
    /// <param name="options">How; null is the default.</param>
    /// <exception cref="ArgumentException">There is no text, or the options have faults.</exception>
    public static Estimate Interval(int texts, Func<IReadOnlyList<int>, double> statistic, BootstrapOptions? options = null)
    {
        options = (options ?? new()).Validated();
        ArgumentOutOfRangeException.ThrowIfLessThan(texts, 1);
        int[] all = [.. Enumerable.Range(0, texts)];
        double value = statistic(all);
        var replicates = new List<double>(options.Resamples);
        ulong state = SplitMix64.Mix((ulong)options.Seed);
        int[] drawn = new int[texts];
        for (int r = 0; r < options.Resamples; r++)
        {
            for (int i = 0; i < texts; i++)
            {
                state += SplitMix64.Gamma;
                drawn[i] = (int)Math.BigMul(SplitMix64.Mix(state), (ulong)texts, out _);
            }
            if (statistic(drawn) is var replicate && !double.IsNaN(replicate)) replicates.Add(replicate);
        }
        // The number without each text in turn; with one text there is none without it.
        IEnumerable<double> leftOut = options.Method == BootstrapMethod.Bca && texts > 1
            ? all.Select(i => statistic([.. all[..i], .. all[(i + 1)..]])) : [];
        var (low, high) = Ends(value, replicates, [.. leftOut.Where(n => !double.IsNaN(n))], options.Confidence, options.Method);
        return new Estimate(value, low, high);
    }

    /// <summary>The mean of one number for each text.</summary>
    /// <exception cref="ArgumentException">There is none, or the options have faults.</exception>
    public static Estimate Mean(IReadOnlyList<double> values, BootstrapOptions? options = null) =>
        Interval(values.Count, drawn => drawn.Sum(i => values[i]) / drawn.Count, options);

    /// <summary>1000 * sum of the counts / sum of the tokens, such as hits of a lexicon per 1000 tokens.</summary>
    /// <param name="counts">What was counted in each text.</param>
    /// <param name="tokens">How many tokens each text has.</param>
    /// <param name="options">How; null is the default.</param>
    /// <exception cref="ArgumentException">There is no text, the lists differ in length, or the options have faults.</exception>
    public static Estimate PerThousand(IReadOnlyList<int> counts, IReadOnlyList<int> tokens, BootstrapOptions? options = null)
    {
        if (counts.Count != tokens.Count) throw new ArgumentException($"there are {counts.Count} counts and {tokens.Count} numbers of tokens; give one of each for every text.", nameof(tokens));
        return Interval(counts.Count, drawn => 1000.0 * drawn.Sum(i => (long)counts[i]) / drawn.Sum(i => (long)tokens[i]), options);
    }

    /// <summary>The ends of an interval, from the number on all texts, on each resample, and without each text in turn.</summary>
    internal static (double Low, double High) Ends(
        double value, IReadOnlyCollection<double> replicates, IReadOnlyCollection<double> leftOut, double confidence, BootstrapMethod method)
    {
        if (replicates.Count == 0) return (double.NaN, double.NaN);
        double[] sorted = [.. replicates.Order()];
        double tail = (1 - confidence) / 2;
        if (method == BootstrapMethod.Percentile || sorted[0] == sorted[^1]) return (Quantile(sorted, tail), Quantile(sorted, 1 - tail));

        // Efron 1987: z0 from the share of resamples below the value (half of those equal to it), the acceleration from the jackknife.
        double below = sorted.Sum(r => r < value ? 1 : r == value ? 0.5 : 0) / sorted.Length;
        double bias = NormalQuantile(Math.Clamp(below, 0.5 / sorted.Length, 1 - 0.5 / sorted.Length));
        double mean = leftOut.Count == 0 ? 0 : leftOut.Average();
        double cubes = leftOut.Sum(n => Math.Pow(mean - n, 3)), squares = leftOut.Sum(n => Math.Pow(mean - n, 2));
        double acceleration = squares == 0 ? 0 : cubes / (6 * Math.Pow(squares, 1.5));
        return (Quantile(sorted, Corrected(tail)), Quantile(sorted, Corrected(1 - tail)));

        double Corrected(double share)
        {
            double z = bias + NormalQuantile(share);
            return Normal(bias + z / (1 - acceleration * z));
        }
    }

    /// <summary>Interpolated linearly between the two nearest.</summary>
    private static double Quantile(double[] sorted, double share) => SortedArrayStatistics.QuantileCustom(sorted, share, QuantileDefinition.R7);

    private static double Normal(double z)
    {
        using var scope = NewDisposeScope();
        return special.ndtr(tensor(z, ScalarType.Float64)).item<double>();
    }

    private static double NormalQuantile(double share)
    {
        using var scope = NewDisposeScope();
        return special.ndtri(tensor(share, ScalarType.Float64)).item<double>();
    }
}
