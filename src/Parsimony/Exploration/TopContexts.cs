namespace Parsimony.Exploration;

/// <summary>The contexts in which one latent fires most, strongest first; among equals the earlier one. Holds at most as many as asked for.</summary>
internal sealed class TopContexts(int most)
{
    private readonly List<(float Peak, FeatureContext Context)> best = [];

    /// <summary>Tokens on which the latent fired so far.</summary>
    public long Fired { get; private set; }

    /// <summary>The largest activation so far.</summary>
    public float Max { get; private set; }

    /// <summary>The contexts kept.</summary>
    public FeatureContext[] Contexts => [.. best.Select(entry => entry.Context)];

    /// <summary>Takes in one context.</summary>
    /// <param name="tokens">Its tokens.</param>
    /// <param name="activations">The latent's activation on each.</param>
    /// <param name="options">Size of the window that is kept.</param>
    public void Add(int[] tokens, ReadOnlySpan<float> activations, FeatureCardOptions options)
    {
        int peak = 0;
        for (int i = 0; i < activations.Length; i++)
        {
            if (activations[i] > 0) Fired++;
            if (activations[i] > activations[peak]) peak = i;
        }
        float strength = activations[peak];
        Max = Math.Max(Max, strength);
        if (strength <= 0 || most == 0 || (best.Count == most && strength <= best[^1].Peak)) return;

        int rank = best.FindIndex(entry => entry.Peak < strength);
        best.Insert(rank < 0 ? best.Count : rank, (strength, Window(tokens, activations, peak, options)));
        if (best.Count > most) best.RemoveAt(most);
    }

    private static FeatureContext Window(int[] tokens, ReadOnlySpan<float> activations, int peak, FeatureCardOptions options)
    {
        int start = Math.Max(0, peak - options.TokensBefore), end = Math.Min(tokens.Length, peak + options.TokensAfter + 1);
        var window = new TokenActivation[end - start];
        for (int i = start; i < end; i++) window[i - start] = new TokenActivation(tokens[i], activations[i]);
        return new FeatureContext(window, peak - start);
    }
}
