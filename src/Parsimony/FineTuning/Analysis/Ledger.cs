namespace Parsimony.FineTuning.Analysis;

/// <summary>One latent's entry.</summary>
/// <param name="Latent">Index of the latent.</param>
/// <param name="Credit">What it has of the objective's change, all parts with their weights.</param>
/// <param name="Share">Credit / change; the shares of all latents sum to 1, some may be below 0 or above 1.</param>
/// <param name="ByScale">The part of the credit that is its scale's.</param>
/// <param name="ByShift">The part that is its shift's.</param>
/// <param name="Parts">What it has of each part's change, before the part's weight.</param>
public sealed record LedgerEntry(int Latent, double Credit, double Share, double ByScale, double ByShift, IReadOnlyDictionary<string, double> Parts)
{
    /// <summary>The latent's hook point, in a ledger of several; else null.</summary>
    public string? Hook { get; init; }
}

/// <summary>The ledger as it is written down: the largest entries, and all others in one.</summary>
public sealed record Ledger
{
    /// <summary>Gradients taken.</summary>
    public required int Steps { get; init; }

    /// <summary>What the objective changed by.</summary>
    public required double Change { get; init; }

    /// <summary>See <see cref="PathAttribution.Residual"/>.</summary>
    public required double Residual { get; init; }

    /// <summary>See <see cref="PathAttribution.SplitError"/>.</summary>
    public required double SplitError { get; init; }

    /// <summary>What each part changed by, before its weight.</summary>
    public required IReadOnlyDictionary<string, double> PartChanges { get; init; }

    /// <summary>The entries of the largest credit or debit, largest first.</summary>
    public required IReadOnlyList<LedgerEntry> Entries { get; init; }

    /// <summary>Sum of the credits of all other latents.</summary>
    public required double Rest { get; init; }

    /// <summary>The largest entries of an attribution.</summary>
    /// <param name="attribution">The attribution.</param>
    /// <param name="most">Entries at most, 0 or more.</param>
    public static Ledger Of(PathAttribution attribution, int most)
    {
        double[] credits = attribution.Totals;
        int[] largest = [.. Enumerable.Range(0, credits.Length).Where(i => credits[i] != 0).OrderByDescending(i => Math.Abs(credits[i])).Take(most)];
        return new Ledger
        {
            Steps = attribution.Steps,
            Change = attribution.Change,
            Residual = attribution.Residual,
            SplitError = attribution.SplitError,
            PartChanges = attribution.Parts.ToDictionary(p => p.Name, p => p.Change),
            Entries = [.. largest.Select(i => new LedgerEntry(i, credits[i], credits[i] / attribution.Change, attribution.ByScale[i], attribution.ByShift[i],
                attribution.Parts.ToDictionary(p => p.Name, p => p.Shares[i])))],
            Rest = credits.Sum() - largest.Sum(i => credits[i]),
        };
    }
}
