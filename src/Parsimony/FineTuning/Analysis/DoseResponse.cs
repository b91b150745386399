namespace Parsimony.FineTuning.Analysis;

/// <summary>The objective at one dose.</summary>
/// <param name="Alpha">c = 1 + alpha gamma, d = alpha d; 0 is the reference, 1 the tuned model.</param>
/// <param name="Value">What the objective comes to.</param>
public sealed record Dose(double Alpha, ObjectiveValue Value);

/// <summary>How the objective goes as the whole change is turned down, and up past where training left it: a true direction bends over smoothly.</summary>
public static class DoseResponse
{
    /// <summary>Measures at evenly spaced doses.</summary>
    /// <param name="seam">Model and SAE.</param>
    /// <param name="change">The dials.</param>
    /// <param name="objective">What is measured.</param>
    /// <param name="doses">How many, 2 or more.</param>
    /// <param name="most">The largest alpha, above 0.</param>
    /// <param name="batchSize">Examples at a time.</param>
    /// <param name="each">Called after each dose.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    public static IReadOnlyList<Dose> Measure(
        DialSeam seam, DialChange change, IObjective objective, int doses = 9, double most = 2, int batchSize = 8, Action? each = null, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(doses, 2);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(most);
        var found = new List<Dose>();
        for (int i = 0; i < doses; i++)
        {
            double alpha = most * i / (doses - 1);
            found.Add(new(alpha, objective.Measure(seam, change.Along(alpha), batchSize, cancellation)));
            each?.Invoke();
        }
        return found;
    }
}
