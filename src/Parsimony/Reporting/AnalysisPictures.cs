using Parsimony.FineTuning.Analysis;

namespace Parsimony.Reporting;

/// <summary>The pictures of one hook point's analysis; null where it has not the numbers.</summary>
internal sealed class AnalysisPictures
{
    /// <summary>Draws them; dials at rest have none.</summary>
    /// <param name="a">The analysis.</param>
    /// <param name="suffix">Of their names, to tell them from another hook point's.</param>
    public AnalysisPictures(DialAnalysis a, string suffix)
    {
        if (a.Changed == 0) return;
        Lorenz = AnalysisCharts.Lorenz(a);
        KeepDrop = AnalysisCharts.KeepDrop(a);
        Doses = AnalysisCharts.Doses(a);
        if (a.Null is { } band) NullRuns = AnalysisCharts.NullRuns(band);
        if (a.Pareto is { Count: > 0 } points) Pareto = AnalysisCharts.Pareto(points, a);
        foreach (var chart in All) chart.Name += suffix;
    }

    /// <summary>How unevenly the movement lies on the features.</summary>
    public Chart? Lorenz { get; }

    /// <summary>The objective with few features and without them.</summary>
    public Chart? KeepDrop { get; }

    /// <summary>Movement by rank against that of null runs.</summary>
    public Chart? NullRuns { get; }

    /// <summary>The objective as the whole change is turned up.</summary>
    public Chart? Doses { get; }

    /// <summary>Methods by cost and gain.</summary>
    public Chart? Pareto { get; }

    /// <summary>Those that are there.</summary>
    public IEnumerable<Chart> All => new[] { Lorenz, KeepDrop, NullRuns, Doses, Pareto }.OfType<Chart>();
}
