using Parsimony.Tokens;

namespace Parsimony.Exploration.Labels;

/// <summary>Tokens in a row that make a latent fire on the last of them.</summary>
/// <param name="Tokens">Ids in reading order; -1 stands for any token.</param>
/// <param name="Activation">How strongly, a mean over the examples that gave the pattern.</param>
public sealed record TokenPattern(IReadOnlyList<int> Tokens, float Activation)
{
    /// <summary>Stands for any token.</summary>
    public const int Any = -1;
}

/// <summary>
/// A label of n-gram patterns, in a trie read backwards: from a token the walk goes back as far as a pattern reaches, and the longest that fits says the activation (Neuron to Graph, Foote et al. 2023).
/// </summary>
public sealed class PatternLabel : ITokenPredictor
{
    private readonly Node root = new();

    /// <summary>A label of some patterns.</summary>
    /// <param name="patterns">The patterns, at least one.</param>
    /// <param name="tokenizer">Puts them in words.</param>
    /// <exception cref="ArgumentException">There is no pattern, or an empty one.</exception>
    public PatternLabel(IReadOnlyList<TokenPattern> patterns, Tokenizer tokenizer)
    {
        if (patterns.Count == 0 || patterns.Any(p => p.Tokens.Count == 0)) throw new ArgumentException("A label needs a pattern, and a pattern a token.");
        Patterns = [.. patterns.OrderByDescending(p => p.Activation)];
        foreach (var pattern in patterns) root.Insert(pattern);
        Text = string.Join(" | ", Patterns.Select(p => Words(p, tokenizer)));
    }

    /// <inheritdoc/>
    public string Text { get; }

    /// <summary>The patterns, strongest first.</summary>
    public IReadOnlyList<TokenPattern> Patterns { get; }

    /// <inheritdoc/>
    public float[] Predict(IReadOnlyList<int> tokens) => [.. Enumerable.Range(0, tokens.Count).Select(t => root.Best(tokens, t).Activation)];

    // ' once upon' * ' time': tokens in quotes, a star for each that may be any.
    private static string Words(TokenPattern pattern, Tokenizer tokenizer)
    {
        var words = new List<string>();
        int[] ids = [.. pattern.Tokens];
        for (int start = 0, end; start < ids.Length; start = end)
        {
            bool any = ids[start] == TokenPattern.Any;
            for (end = start + 1; !any && end < ids.Length && ids[end] != TokenPattern.Any; end++) { }
            words.Add(any ? "*" : TokenText.Quoted(tokenizer, ids.AsSpan(start, end - start)));
        }
        return string.Join(" ", words);
    }

    private sealed class Node
    {
        private readonly Dictionary<int, Node> before = [];
        private float? activation;

        public void Insert(TokenPattern pattern)
        {
            var node = this;
            foreach (int id in pattern.Tokens.Reverse()) node = node.before.TryGetValue(id, out var known) ? known : node.before[id] = new();
            node.activation = Math.Max(node.activation ?? 0, pattern.Activation);
        }

        // The longest pattern that ends at a token, of equally long ones the stronger.
        public (int Length, float Activation) Best(IReadOnlyList<int> tokens, int t, int length = 0)
        {
            var best = (length, activation ?? 0);
            if (activation is null) best = (0, 0);
            if (t < 0) return best;
            foreach (int id in (ReadOnlySpan<int>)[tokens[t], TokenPattern.Any])
                if (before.TryGetValue(id, out var node) && node.Best(tokens, t - 1, length + 1) is var found && found.CompareTo(best) > 0) best = found;
            return best;
        }
    }
}
