using System.ComponentModel;
using Parsimony.Training;

namespace Parsimony.Bench;

/// <summary>What <c>parsimony bench sae</c> measures.</summary>
public sealed record SaeBenchOptions
{
    /// <summary>Every d_model x d_sae to measure.</summary>
    [Description("d_model x d_sae pairs, separated by commas")]
    public string Shapes { get; init; } = "512x2048,512x4096,512x16384,1024x8192,4096x16384";

    /// <summary>Shares of active entries to measure.</summary>
    [Description("shares of active entries, separated by commas")]
    public string Densities { get; init; } = "0.5,0.1,0.02,0.005,0.001";

    /// <summary>Tokens a step. Default 1024, the article's.</summary>
    [Description("tokens a step")]
    public int BatchTokens { get; init; } = 1024;

    /// <summary>Rounds of one step each; medians are over these. Default 11.</summary>
    [Description("rounds, in each of which every variant does at least one step")]
    public int Rounds { get; init; } = 11;

    /// <summary>Seconds after which a shape and density is left with the rounds it has, at least three. Default 60.</summary>
    [Description("seconds after which a shape and density is left with the rounds it has, at least three")]
    public double MaxSeconds { get; init; } = 60;

    /// <summary>The shapes, parsed.</summary>
    public IReadOnlyList<(int DModel, int DSae)> ParsedShapes() => [.. Shapes.Split(',').Select(shape =>
        shape.Split('x') is [var a, var b] && int.TryParse(a, out int dModel) && int.TryParse(b, out int dSae) && dModel > 0 && dSae > 0
            ? (dModel, dSae)
            : throw new ArgumentException($"'{shape}' in shapes is not a pair such as 512x2048."))];

    /// <summary>The densities, parsed.</summary>
    public IReadOnlyList<double> ParsedDensities() => [.. Densities.Split(',').Select(density =>
        double.TryParse(density, System.Globalization.CultureInfo.InvariantCulture, out double d) && d is > 0 and < 1
            ? d
            : throw new ArgumentException($"'{density}' in densities is not a share above 0 and below 1."))];

    /// <summary>Every shape at every density.</summary>
    public IReadOnlyList<(int DModel, int DSae, double Density)> Cells() => [.. from shape in ParsedShapes() from density in ParsedDensities() select (shape.DModel, shape.DSae, density)];

    /// <summary>Returns these options, or says everything that is wrong with them.</summary>
    /// <exception cref="ArgumentException">One or more values are out of range.</exception>
    public SaeBenchOptions Validated()
    {
        var faults = new OptionFaults();
        faults.Check(BatchTokens is >= 1 and <= 65536, "batch_tokens", BatchTokens, "1 to 65536");
        faults.Check(Rounds >= 1, "rounds", Rounds, "1 or more");
        faults.Check(MaxSeconds > 0, "max_seconds", MaxSeconds, "above 0");
        faults.ThrowIfAny("The benchmark's options");
        _ = (ParsedShapes(), ParsedDensities());
        return this;
    }
}

/// <summary>One shape and density. Ratios are medians over rounds of one variant's time by ours in the same round.</summary>
/// <param name="DModel">Width of the activations.</param>
/// <param name="DSae">Number of latents.</param>
/// <param name="Density">Share of active entries that was set up.</param>
/// <param name="RatioAutograd">Time of plain autograd by ours.</param>
/// <param name="RatioDense">Time of the hand-derived dense step by ours.</param>
/// <param name="TimesLimit">Our median time by that of the encoder's FLOPs at the best rate measured plus the fastest pass over parameters and moments.</param>
/// <param name="TokensPerSecond">Ours.</param>
/// <param name="PeakBytes">Resident memory that training with our step took at most; null where it cannot be read.</param>
/// <param name="AutogradMilliseconds">Median time of a step.</param>
/// <param name="DenseMilliseconds">Median time of a step.</param>
/// <param name="OursMilliseconds">Median time of a step.</param>
/// <param name="LimitMilliseconds">That limit.</param>
/// <param name="PeakGflops">Best rate measured, billions of FLOPs per second.</param>
/// <param name="MeasuredDensity">Share of active entries at the end.</param>
/// <param name="ForeignLoad">Share of the cores' time that other processes took.</param>
/// <param name="Rounds">Rounds measured.</param>
public sealed record SaeBenchRow(int DModel, int DSae, double Density, double RatioAutograd, double RatioDense, double TimesLimit, double TokensPerSecond,
    long? PeakBytes, double AutogradMilliseconds, double DenseMilliseconds, double OursMilliseconds, double LimitMilliseconds, double PeakGflops,
    double MeasuredDensity, double ForeignLoad, int Rounds);
