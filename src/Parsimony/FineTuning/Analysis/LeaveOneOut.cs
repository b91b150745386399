namespace Parsimony.FineTuning.Analysis;

/// <summary>What one feature does to the objective, measured by taking it out and by leaving it alone in.</summary>
/// <param name="Latent">Index of the latent.</param>
/// <param name="LeftOut">Objective with all dials but this latent's, less that with all: what the tuned model loses without it.</param>
/// <param name="KeptIn">Objective with this latent's dials alone, less the reference's: what it does by itself.</param>
public sealed record SingleFeature(int Latent, ObjectiveValue LeftOut, ObjectiveValue KeptIn);

/// <summary>Leave-one-out and keep-one-in for some features. The two differ where features overlap or need each other.</summary>
public sealed record LeaveOneOut
{
    /// <summary>One for each feature asked for, in that order.</summary>
    public required IReadOnlyList<SingleFeature> Features { get; init; }

    /// <summary>Objective with the dials of all of them together and no others, less the reference's.</summary>
    public required ObjectiveValue Together { get; init; }

    /// <summary>Sum of what each does by itself; where it is not <see cref="Together"/>, they interact.</summary>
    public required double SumOfKeptIn { get; init; }

    /// <summary>Measures: two passes over the objective for each feature.</summary>
    /// <param name="seam">Model and SAE.</param>
    /// <param name="change">The dials.</param>
    /// <param name="objective">What is measured.</param>
    /// <param name="latents">The features.</param>
    /// <param name="batchSize">Examples at a time.</param>
    /// <param name="each">Called after each feature.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    public static LeaveOneOut Measure(
        DialSeam seam, DialChange change, IObjective objective, IReadOnlyList<int> latents, int batchSize = 8, Action? each = null, CancellationToken cancellation = default)
    {
        ObjectiveValue At(DialChange dials) => objective.Measure(seam, dials, batchSize, cancellation);
        var (reference, tuned) = (At(DialChange.None(change.DSae)), At(change));
        var features = new List<SingleFeature>();
        foreach (int latent in latents)
        {
            features.Add(new(latent, At(change.Without([latent])).Less(tuned), At(change.Only([latent])).Less(reference)));
            each?.Invoke();
        }
        return new LeaveOneOut
        {
            Features = features,
            Together = At(change.Only(latents)).Less(reference),
            SumOfKeptIn = features.Sum(f => f.KeptIn.Total),
        };
    }
}
