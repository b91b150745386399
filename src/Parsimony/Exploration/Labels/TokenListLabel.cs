using Parsimony.Tokens;

namespace Parsimony.Exploration.Labels;

/// <summary>
/// A label by the tokens of a latent's contexts, the first of these that holds: its strongest contexts peak on one token, "fires on ' dog'"; one token follows the peak, "fires before ' dog'"; the tokens it raises most
/// are alike, "raises ' run', ' running'; fires on ...", or else just the tokens on which it fires.
/// </summary>
public sealed class TokenListLabel : ITokenPredictor
{
    private const double Alike = 0.8;             // share of the strongest contexts that make "one token"
    private const int MostTokens = 10, Raised = 5, RaisedAlike = 3, Stem = 4;
    private readonly Dictionary<int, float> values;

    private TokenListLabel(string text, Dictionary<int, float> values, bool looksAhead) => (Text, this.values, LooksAhead) = (text, values, looksAhead);

    /// <inheritdoc/>
    public string Text { get; }

    /// <summary>The tokens that it names, and the activation that goes with each.</summary>
    public IReadOnlyDictionary<int, float> Tokens => values;

    /// <summary>Whether the latent fires before them, not on them.</summary>
    public bool LooksAhead { get; }

    /// <summary>"Fires on this token."</summary>
    internal static TokenListLabel Of(Tokenizer tokenizer, int token, float activation) => new("fires on " + TokenText.Quoted(tokenizer, token), new() { [token] = activation }, looksAhead: false);

    /// <summary>The label of a latent; null where it has no examples.</summary>
    internal static TokenListLabel? Of(FeatureCard card, LabelExamples examples, Tokenizer tokenizer)
    {
        if (examples.Strongest.Count == 0) return null;
        object Key(int id) => TokenText.Word(tokenizer, id) ?? (object)id;
        string List(IEnumerable<int> ids) => string.Join(", ", ids.Select(id => TokenText.Quoted(tokenizer, id)));

        var here = Seen(examples, ahead: 0);
        if (One(examples, ahead: 0, Key) is { } peak) return Named("fires on ", [.. here.Where(s => Key(s.Id).Equals(peak) && s.Fired > 0)], looksAhead: false);
        if (examples.Strongest.Count > 1 && One(examples, ahead: 1, Key) is { } next) return Named("fires before ", [.. Seen(examples, ahead: 1).Where(s => Key(s.Id).Equals(next) && s.Fired > 0)], looksAhead: true);

        var often = here.Where(s => 2 * s.Fired >= s.Count).ToList();
        var theme = Named("fires on ", [.. (often.Count > 0 ? often : here).OrderByDescending(s => s.Sum).ThenBy(s => s.Id).Take(often.Count > 0 ? MostTokens : 1)], looksAhead: false);
        bool measured = card.Raised.Length > 0 && examples.IsEffectOurs;
        int[] promoted = [.. (measured ? card.Raised : card.Promoted).Take(Raised).Select(t => t.Id)];
        var alike = promoted.Where(id => TokenText.Word(tokenizer, id) is not null).GroupBy(id => TokenText.Word(tokenizer, id) is { Length: >= Stem } word ? word[..Stem] : TokenText.Word(tokenizer, id)).MaxBy(group => group.Count());
        return alike?.Count() >= RaisedAlike ? new($"{(measured ? "raises" : "promotes")} {List(alike)}; {theme.Text}", theme.values, looksAhead: false) : theme;

        TokenListLabel Named(string how, IReadOnlyList<Occurrences> tokens, bool looksAhead) =>
            new(how + List(tokens.Select(s => s.Id)), tokens.ToDictionary(s => s.Id, s => (float)(s.Sum / s.Count)), looksAhead);
    }

    /// <summary>The token on which the most of the strongest contexts peak, of equally many the one of the stronger context, and its mean activation where it is the peak; null where there are none.</summary>
    internal static (int Token, float Activation)? Peak(LabelExamples examples) => examples.Strongest.Select(e => e.Tokens[e.PeakIndex]).GroupBy(t => t.Id).MaxBy(group => group.Count()) is { } most
        ? (most.Key, most.Average(t => t.Activation)) : null;

    /// <inheritdoc/>
    public float[] Predict(IReadOnlyList<int> tokens)
    {
        var predicted = new float[tokens.Count];
        int ahead = LooksAhead ? 1 : 0;
        for (int t = 0; t + ahead < predicted.Length; t++) predicted[t] = values.GetValueOrDefault(tokens[t + ahead]);
        return predicted;
    }

    // What nearly all strongest contexts have at their peak, or behind it; null: nothing.
    private static object? One(LabelExamples examples, int ahead, Func<int, object> key)
    {
        var most = examples.Strongest.Where(e => e.PeakIndex + ahead < e.Tokens.Length).GroupBy(e => key(e.Tokens[e.PeakIndex + ahead].Id)).MaxBy(group => group.Count());
        return most?.Count() >= Alike * examples.Strongest.Count ? most.Key : null;
    }

    // What the latent does on, or before, each token of the windows.
    private static List<Occurrences> Seen(LabelExamples examples, int ahead) =>
        [.. from example in examples.Making
            from t in Enumerable.Range(0, Math.Max(0, example.Tokens.Length - ahead))
            group example.Tokens[t].Activation by example.Tokens[t + ahead].Id into token
            let sum = token.Sum(a => (double)a)
            orderby sum descending, token.Key
            select new Occurrences(token.Key, token.Count(), token.Count(a => a > 0), sum)];

    private sealed record Occurrences(int Id, int Count, int Fired, double Sum);
}
