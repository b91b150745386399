using System.Text.Json.Nodes;
using Parsimony.Exploration.Index;
using Parsimony.Files;
using Parsimony.Reporting;

namespace Parsimony.Explorer.Features;

/// <summary>Counts in bins.</summary>
/// <param name="Edges">One more than bins, ascending.</param>
/// <param name="Counts">Of each bin.</param>
public sealed record Histogram(IReadOnlyList<double> Edges, IReadOnlyList<int> Counts);

/// <summary>The explored SAE: its file's words, its numbers in the model, its latents. What was not measured is null.</summary>
public sealed record SaeFacts
{
    private const int CosineBins = 50;

    /// <summary>Its cfg.json; null: the run has no SAE of its own.</summary>
    public required JsonObject? Config { get; init; }

    /// <summary>Loss of the plain model, nats per token.</summary>
    public double? CeClean { get; init; }

    /// <summary>Loss with the SAE's reconstruction in place of the activation.</summary>
    public double? CeSpliced { get; init; }

    /// <summary>Loss with zeros in its place.</summary>
    public double? CeZeroAblated { get; init; }

    /// <summary>Loss with its mean in its place.</summary>
    public double? CeMeanAblated { get; init; }

    /// <summary>See <see cref="RunReport.CeLossRecovered"/>.</summary>
    public double? CeLossRecovered { get; init; }

    /// <summary>See <see cref="RunReport.ExplainedVariance"/>.</summary>
    public double? ExplainedVariance { get; init; }

    /// <summary>Mean active latents per token of the evaluation text.</summary>
    public double? L0 { get; init; }

    /// <summary>The same on the index's text: the sum of all densities.</summary>
    public double? IndexL0 { get; init; }

    /// <summary>Loss with the SAE in each layer.</summary>
    public IReadOnlyList<LayerSweepEntry>? LayerSweep { get; init; }

    /// <summary>Latents by log10 of their density; of the index's text, or without an index of the evaluation text.</summary>
    public DensityHistogram? Density { get; init; }

    /// <summary>Latents by the largest cosine of their decoder row with another's.</summary>
    public Histogram? NearestCosine { get; init; }

    /// <summary>Reads them.</summary>
    public static SaeFacts Of(Explored explored)
    {
        var report = explored.Run.Report;
        var index = explored.Index;
        return new SaeFacts
        {
            Config = ReadConfig(Path.Combine(explored.Run.Files.Sae, "cfg.json")),
            CeClean = report?.CeClean,
            CeSpliced = report?.CeSpliced,
            CeZeroAblated = report?.CeZeroAblated,
            CeMeanAblated = report?.CeMeanAblated,
            CeLossRecovered = report?.CeLossRecovered,
            ExplainedVariance = report?.ExplainedVariance,
            L0 = report?.L0,
            IndexL0 = index is null ? null : index.Density.ToArray().Sum(d => (double)d),
            LayerSweep = report?.LayerSweep,
            Density = index is null ? report?.Density : DensityHistogram.Of([.. index.Density.ToArray().Select(d => (double)d)]),
            NearestCosine = index is null ? null : Cosines(index),
        };
    }

    private static Histogram? Cosines(FeatureIndex index)
    {
        double[] nearest = [.. Enumerable.Range(0, index.DSae).Select(i => (double)index.NearestCosine(i)).Where(double.IsFinite)];
        if (nearest.Length == 0) return null;
        double low = Math.Min(0, Math.Floor(10 * nearest.Min()) / 10);
        var counts = new int[CosineBins];
        foreach (double cosine in nearest) counts[Math.Clamp((int)((cosine - low) / (1 - low) * CosineBins), 0, CosineBins - 1)]++;
        return new([.. Enumerable.Range(0, CosineBins + 1).Select(i => low + (1 - low) * i / CosineBins)], counts);
    }

    private static JsonObject? ReadConfig(string path)
    {
        try
        {
            return File.Exists(path) ? Json.ParseObject(File.ReadAllText(path), path) : null;
        }
        catch (InvalidDataException)
        {
            return null;
        }
    }
}
