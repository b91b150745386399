namespace Parsimony.Exploration.Labels;

/// <summary>
/// Finds what in front of a peak makes a latent fire there, in the manner of Neuron to Graph (Foote et al. 2023): the shortest text that ends at the peak and still gives half of its activation a; in it each token is replaced
/// by a filler, and one whose saliency <c>1 - a' / a</c> is below 0.5 may be any. All by measuring: behind the token that begins a text, the model runs on each of them.
/// </summary>
/// <param name="measure">A latent's activation on the last token of each text.</param>
/// <param name="longestText">Tokens of a text at most.</param>
/// <param name="lead">The token that begins a text.</param>
/// <param name="fillers">Two frequent tokens; the second stands in for the first.</param>
internal sealed class PatternFinder(Func<int, IReadOnlyList<int[]>, float[]> measure, int longestText, int lead, (int First, int Second) fillers)
{
    private const float Kept = 0.5f, Salient = 0.5f;
    private static readonly int[] Lengths = [4, 10, int.MaxValue]; // most latents need no more than the first few tokens

    /// <summary>The patterns of a latent: those that on half of the tokens they fit, in the windows they are made of, are right that it fires. None where there are none.</summary>
    /// <param name="latent">The latent.</param>
    /// <param name="making">Windows in which it fires at its peak.</param>
    public List<TokenPattern> Find(int latent, IReadOnlyList<FeatureContext> making)
    {
        var found = new List<(int[] Tokens, float Activation)>();
        var texts = Shortest(latent, making);
        var edited = texts.SelectMany(t => Enumerable.Range(0, t.Tokens.Length).Select(i => Led([.. t.Tokens[..i], t.Tokens[i] == fillers.First ? fillers.Second : fillers.First, .. t.Tokens[(i + 1)..]]))).ToList();
        float[] without = measure(latent, edited);
        int at = 0;
        foreach (var (tokens, alone, activation) in texts)
        {
            int[] pattern = [.. tokens.Select(id => 1 - without[at++] / alone >= Salient ? id : TokenPattern.Any).SkipWhile(id => id == TokenPattern.Any)];
            if (pattern.Length > 0) found.Add((pattern, activation));
        }
        return [.. found.GroupBy(p => string.Join(' ', p.Tokens)).Select(same => new TokenPattern(same.First().Tokens, same.Average(p => p.Activation))).Where(p => IsRight(p, making))];
    }

    private int[] Led(int[] tokens) => [lead, .. tokens];

    // For each window the shortest text, what it gives by itself, and what the window's peak has; windows that need more than the window are left out.
    private List<(int[] Tokens, float Alone, float Activation)> Shortest(int latent, IReadOnlyList<FeatureContext> making)
    {
        var shortest = new List<(int[], float, float)>();
        var waiting = making.Select(e => (Tokens: e.Tokens[..(e.PeakIndex + 1)].Select(t => t.Id).ToArray(), e.Tokens[e.PeakIndex].Activation)).ToList();
        int done = 0;
        foreach (int most in Lengths)
        {
            var tries = waiting.SelectMany(w => Enumerable.Range(done + 1, Math.Max(0, Math.Min(Math.Min(most, w.Tokens.Length), longestText - 1) - done)).Select(n => (Window: w, Tokens: w.Tokens[^n..]))).ToList();
            float[] alone = measure(latent, [.. tries.Select(t => Led(t.Tokens))]);
            var enough = tries.Select((t, i) => (t.Window, t.Tokens, Alone: alone[i])).Where(t => t.Alone >= Kept * t.Window.Activation).GroupBy(t => t.Window.Tokens).ToDictionary(g => g.Key, g => g.MinBy(t => t.Tokens.Length));
            shortest.AddRange(enough.Values.Select(t => (t.Tokens, t.Alone, t.Window.Activation)));
            waiting.RemoveAll(w => enough.ContainsKey(w.Tokens));
            done = most;
        }
        return shortest;
    }

    private static bool IsRight(TokenPattern pattern, IReadOnlyList<FeatureContext> making)
    {
        int fits = 0, fires = 0;
        foreach (var window in making)
            for (int t = pattern.Tokens.Count - 1; t < window.Tokens.Length; t++)
            {
                bool fit = true;
                for (int i = 0; fit && i < pattern.Tokens.Count; i++)
                    fit = pattern.Tokens[i] == TokenPattern.Any || pattern.Tokens[i] == window.Tokens[t - pattern.Tokens.Count + 1 + i].Id;
                if (fit) (fits, fires) = (fits + 1, fires + (window.Tokens[t].Activation > 0 ? 1 : 0));
            }
        return 2 * fires >= fits;
    }
}
