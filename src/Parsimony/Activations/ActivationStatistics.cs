using System.Text.Json.Serialization;

namespace Parsimony.Activations;

/// <summary>What is known of some activations at one hook point without looking at them again: enough for a scale to train at and for the
/// denominator of the explained variance.</summary>
public sealed record ActivationStatistics
{
    /// <summary>Number of rows (tokens).</summary>
    public required long Rows { get; init; }

    /// <summary>Mean of |x|.</summary>
    public required double MeanNorm { get; init; }

    /// <summary>Mean of |x|².</summary>
    public required double MeanSquareNorm { get; init; }

    /// <summary>Largest |x|.</summary>
    public required double MaxNorm { get; init; }

    /// <summary>Mean activation, <c>[width]</c>, float64; kept in the shard's file, not in the manifest.</summary>
    [JsonIgnore]
    public double[] Mean { get; init; } = [];

    /// <summary>Mean of |x - mean x|², over all these rows: <c>MeanSquareNorm - |Mean|²</c>.</summary>
    [JsonIgnore]
    public double Variance => MeanSquareNorm - Mean.Sum(m => m * m);

    /// <summary>The statistics of all rows together.</summary>
    /// <param name="parts">At least one, with their means.</param>
    public static ActivationStatistics Of(IReadOnlyList<ActivationStatistics> parts)
    {
        double rows = parts.Sum(p => p.Rows);
        var mean = new double[parts[0].Mean.Length];
        foreach (var part in parts)
            for (int i = 0; i < mean.Length; i++) mean[i] += part.Mean[i] * (part.Rows / rows);
        return new ActivationStatistics
        {
            Rows = (long)rows,
            MeanNorm = parts.Sum(p => p.MeanNorm * p.Rows) / rows,
            MeanSquareNorm = parts.Sum(p => p.MeanSquareNorm * p.Rows) / rows,
            MaxNorm = parts.Max(p => p.MaxNorm),
            Mean = mean,
        };
    }
}
