using Parsimony.Activations;
using Parsimony.Exploration.Index;

namespace Parsimony.Exploration.Labels;

/// <summary>A window and what the latent truly does on it.</summary>
/// <param name="Tokens">Token ids.</param>
/// <param name="Activations">The latent's, 0 where it is silent.</param>
/// <param name="Context">Number of the context in the index's text.</param>
internal sealed record ScoringWindow(int[] Tokens, float[] Activations, int Context)
{
    /// <summary>Whether the latent fires in it.</summary>
    public bool Fires { get; } = Activations.Any(a => a > 0);
}

/// <summary>A window with some tokens marked.</summary>
/// <param name="Window">The window.</param>
/// <param name="Marks">Places that are marked, ascending.</param>
/// <param name="IsRight">Whether the latent fires on all of them; else it fires on none.</param>
internal sealed record MarkedWindow(ScoringWindow Window, int[] Marks, bool IsRight);

/// <summary>What a latent's label is scored on: windows held out from making it, and windows in which it is silent.</summary>
internal sealed class ScoringWindows
{
    private const double Marked = 0.3;                          // of a window's largest activation, as in delphi
    private const int Fewest = 3, NeighbourTries = 12, DrawsPerWindow = 20;
    private readonly ulong seed;

    private ScoringWindows(List<ScoringWindow> windows, ulong seed)
    {
        (Windows, this.seed) = (windows, seed);
        Marks = [.. Mark()];
    }

    /// <summary>All windows, those with the latent first.</summary>
    public IReadOnlyList<ScoringWindow> Windows { get; }

    /// <summary>Windows with marks: of each with the latent one that marks where it fires, and one that marks as many other tokens; of each without it one that marks some.</summary>
    public IReadOnlyList<MarkedWindow> Marks { get; }

    /// <summary>The windows of a latent; null where there are fewer than three with it, or without it.</summary>
    /// <param name="index">The index.</param>
    /// <param name="card">The latent's card.</param>
    /// <param name="examples">Its examples.</param>
    /// <param name="pool">Contexts to draw from.</param>
    /// <param name="probe">Measures it where its neighbours fire.</param>
    /// <param name="options">How many.</param>
    public static ScoringWindows? Of(FeatureIndex index, FeatureCard card, LabelExamples examples, ActivationPool pool, LatentProbe probe, LabellingOptions options)
    {
        ulong seed = SplitMix64.Next(unchecked((ulong)options.Seed) ^ SplitMix64.Next((ulong)card.Latent));
        if (examples.HeldOut.Count < Fewest) return null;
        var silent = Hard(index, card, examples, probe, options.SilentWindows / 2);
        silent.AddRange(Drawn(index.Header, card.Latent, [.. examples.Contexts, .. silent.Select(w => w.Context)], pool, seed, options.SilentWindows - silent.Count));
        return silent.Count < Fewest ? null : new([.. examples.HeldOut.Select(e => new ScoringWindow([.. e.Tokens.Select(t => t.Id)], [.. e.Tokens.Select(t => t.Activation)], e.Context)), .. silent], seed);
    }

    /// <summary>Scores what foretells activations.</summary>
    public PredictorScore Score(ITokenPredictor predictor)
    {
        var predicted = Windows.ToDictionary(w => w, w => predictor.Predict(w.Tokens));
        double[] foretold = [.. Windows.SelectMany(w => predicted[w]).Select(a => (double)a)], truth = [.. Windows.SelectMany(w => w.Activations).Select(a => (double)a)];
        return new(BinaryScore.Of(Windows.Select(w => (w.Fires, predicted[w].Any(a => a > 0)))),
            BinaryScore.Of(Marks.Select(m => (m.IsRight, m.Marks.All(t => predicted[m.Window][t] > 0)))), Correlation.Pearson(foretold, truth), Correlation.Spearman(foretold, truth));
    }

    // Where the latents most like it fire most, and it does not.
    private static List<ScoringWindow> Hard(FeatureIndex index, FeatureCard card, LabelExamples examples, LatentProbe probe, int count)
    {
        var neighbours = card.Coactive.Zip(card.Similar, (a, b) => (Neighbour[])[a, b]).SelectMany(pair => pair).Concat(card.Coactive).Concat(card.Similar).Select(n => n.Latent).Distinct();
        FeatureContext[] tries = [.. neighbours.SelectMany(n => index.Card(n).TopContexts.Take(2)).Where(e => !examples.Contexts.Contains(e.Context)).DistinctBy(e => e.Context).Take(NeighbourTries)];
        if (tries.Length == 0) return [];
        float[][] truth = probe.All(card.Latent, [.. tries.Select(e => index.Context(e.Context)[..(e.Position - e.PeakIndex + e.Tokens.Length)])]);
        return [.. tries.Select((e, i) => new ScoringWindow([.. e.Tokens.Select(t => t.Id)], truth[i][^e.Tokens.Length..], e.Context)).Where(w => !w.Fires).Take(count)];
    }

    // From anywhere in the pool, one of a context.
    private static List<ScoringWindow> Drawn(IndexHeader header, int latent, HashSet<int> taken, ActivationPool pool, ulong seed, int count)
    {
        var drawn = new List<ScoringWindow>();
        for (int i = 0; i < DrawsPerWindow * count && drawn.Count < count; i++)
        {
            ulong hash = SplitMix64.Next(seed + (ulong)i * SplitMix64.Gamma);
            int row = (int)(hash % (ulong)pool.Contexts.Length), place = (int)((hash >> 32) % (ulong)header.SequenceLength);
            int start = Math.Max(0, place - header.Options.TokensBefore), end = Math.Min(header.SequenceLength, place + header.Options.TokensAfter + 1);
            if (taken.Contains(pool.Contexts[row]) || !pool.IsSilent(latent, row, start, end)) continue;
            taken.Add(pool.Contexts[row]);
            drawn.Add(new(pool.Tokens[row][start..end], new float[end - start], pool.Contexts[row]));
        }
        return drawn;
    }

    private IEnumerable<MarkedWindow> Mark()
    {
        var right = Windows.Where(w => w.Fires).Select(w => (Window: w, Marks: Places(w, a => a > 0 && a >= Marked * w.Activations.Max()))).ToList();
        int mean = (int)Math.Ceiling(right.Average(m => m.Marks.Length));
        foreach (var (window, marks) in right)
        {
            yield return new(window, marks, IsRight: true);
            if (Places(window, a => a == 0) is { Length: > 0 } quiet) yield return new(window, Some(window, quiet, marks.Length), IsRight: false);
        }
        foreach (var window in Windows.Where(w => !w.Fires)) yield return new(window, Some(window, Places(window, _ => true), mean), IsRight: false);
    }

    private static int[] Places(ScoringWindow window, Func<float, bool> where) => [.. Enumerable.Range(0, window.Tokens.Length).Where(t => where(window.Activations[t]))];

    private int[] Some(ScoringWindow window, int[] places, int count) =>
        [.. places.OrderBy(t => SplitMix64.Next(seed ^ SplitMix64.Next(((ulong)window.Context << 32) + (ulong)t))).Take(count).Order()];
}
