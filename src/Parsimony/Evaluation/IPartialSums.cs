namespace Parsimony.Evaluation;

/// <summary>Sums that a checkpoint keeps, so that an evaluation goes on to the same bits: names and float64 numbers (counts are exact below 2^53).</summary>
internal interface IPartialSums
{
    /// <summary>What was summed up so far.</summary>
    IReadOnlyDictionary<string, double[]> Save();

    /// <summary>Goes on from what another one has saved.</summary>
    /// <param name="saved">As <see cref="Save"/> gave it, every array of the length it has here.</param>
    void Restore(IReadOnlyDictionary<string, double[]> saved);
}
