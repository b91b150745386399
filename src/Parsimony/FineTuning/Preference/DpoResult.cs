namespace Parsimony.FineTuning.Preference;

/// <summary>Preference on held-out pairs; NaN without any.</summary>
/// <param name="Loss">Mean loss of a pair.</param>
/// <param name="Accuracy">Share of pairs whose chosen completion has the larger implicit reward; 0 at rest, where all are 0.</param>
/// <param name="Margin">Mean of chosen less rejected implicit reward.</param>
/// <param name="LikelierChosen">Share of pairs whose chosen completion is the likelier one per token, whatever the reference.</param>
public sealed record PreferenceReport(double Loss, double Accuracy, double Margin, double LikelierChosen);

/// <summary>What learning from pairs gave.</summary>
public sealed record DpoResult
{
    /// <summary>Held-out preference at rest.</summary>
    public required PreferenceReport Before { get; init; }

    /// <summary>Held-out preference with what was learnt; labels are true ones even after a null run.</summary>
    public required PreferenceReport After { get; init; }

    /// <summary>How many numbers were learnt.</summary>
    public required long TrainableParameters { get; init; }

    /// <summary>Tokens in all batches, padding not counted.</summary>
    public required long TokensSeen { get; init; }

    /// <summary>Wall-clock seconds in this process.</summary>
    public required double Seconds { get; init; }
}
