namespace Parsimony.FineTuning.Analysis;

/// <summary>What all dials of one hook point have of a change.</summary>
/// <param name="Hook">The hook point.</param>
/// <param name="Changed">Latents there whose dials are not exactly at rest.</param>
/// <param name="Credit">Sum of what they have of the objective's change.</param>
/// <param name="Share">Credit / change; the shares of all hook points sum to 1.</param>
public sealed record HookShare(string Hook, int Changed, double Credit, double Share);

/// <summary>The ledger of dials at several hook points: all turn at once along one line, so that what layers do only together is split between them and the whole adds up.</summary>
public sealed record JointLedger
{
    /// <summary>The hook points, in the order of the pass.</summary>
    public required IReadOnlyList<HookShare> Hooks { get; init; }

    /// <summary>The ledger over the features of all of them; each entry names its hook point, and its latent by the number it has there.</summary>
    public required Ledger Ledger { get; init; }

    /// <summary>Writes an attribution down.</summary>
    /// <param name="seam">Model and SAEs.</param>
    /// <param name="change">The dials.</param>
    /// <param name="attribution">Of that change in that seam.</param>
    /// <param name="most">Entries at most, 0 or more.</param>
    /// <exception cref="ArgumentException">The change is of another seam.</exception>
    public static JointLedger Of(DialSeam seam, DialChange change, PathAttribution attribution, int most)
    {
        var ledger = Ledger.Of(attribution, most);
        var (hooks, first) = (new List<HookShare>(), new List<int>());
        int next = 0;
        foreach (var s in seam.Turned)
        {
            double credit = attribution.Totals.Skip(next).Take(s.Sae.DSae).Sum();
            hooks.Add(new(s.At.ToString(), seam.Part(change, s.At).Changed.Count, credit, credit / attribution.Change));
            first.Add(next);
            next += s.Sae.DSae;
        }
        return new JointLedger
        {
            Hooks = hooks,
            Ledger = ledger with
            {
                Entries = [.. ledger.Entries.Select(e =>
                {
                    int hook = first.FindLastIndex(from => from <= e.Latent);
                    return e with { Latent = e.Latent - first[hook], Hook = hooks[hook].Hook };
                })],
            },
        };
    }
}
