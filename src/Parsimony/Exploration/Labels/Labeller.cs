using Parsimony.Autoencoders;
using Parsimony.Exploration.Index;
using Parsimony.Models;
using Parsimony.Tokens;

namespace Parsimony.Exploration.Labels;

/// <summary>
/// Makes labels of latents from an index and the model, without any network, and scores them on examples that did not make them. What it says of a latent depends on nothing but the index, the model and the options: not on which
/// latents were labelled before, nor in which order. For one thread.
/// </summary>
public sealed class Labeller
{
    private const int Remembered = 8;
    private readonly FeatureIndex index;
    private readonly Tokenizer tokenizer;
    private readonly LabellingOptions options;
    private readonly LatentProbe probe;
    private readonly ActivationPool pool;
    private readonly PatternFinder finder;
    private readonly Dictionary<int, Prepared> prepared = [];

    /// <summary>Prepares; runs the model over the contexts that silent windows are drawn from.</summary>
    /// <param name="index">The latents; stays the caller's.</param>
    /// <param name="model">The model of the index; stays the caller's.</param>
    /// <param name="sae">The SAE of the index; stays the caller's.</param>
    /// <param name="tokenizer">The model's.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <exception cref="ArgumentException">An option is out of its range, or the SAE has another number of latents than the index.</exception>
    public Labeller(FeatureIndex index, Transformer model, ISparseAutoencoder sae, Tokenizer tokenizer, LabellingOptions? options = null)
    {
        (this.index, this.tokenizer, this.options) = (index, tokenizer, (options ?? new()).Validated());
        if (sae.DSae != index.DSae) throw new ArgumentException($"the SAE has {sae.DSae} latents, the index {index.DSae}; give the SAE that the index was made of.");
        probe = new(model, index.Header.Hook, sae);
        pool = new(index, model, sae, this.options.PoolContexts);
        finder = new(probe.Last, model.Config.MaxSequenceLength, tokenizer.StartId ?? pool.Frequent.First, pool.Frequent);
    }

    /// <summary>Labels a latent, by every method; one that found nothing has an empty text. No labels for a latent that never fires.</summary>
    /// <param name="latent">0 to d_sae - 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such latent.</exception>
    public IReadOnlyList<AutomaticLabel> Label(int latent)
    {
        var mine = Prepare(latent);
        if (mine.Tokens is null) return [];
        var windows = Windows(latent);
        var peak = TokenListLabel.Peak(mine.Examples)!.Value;
        var baseline = windows?.Score(TokenListLabel.Of(tokenizer, peak.Token, peak.Activation));
        var other = windows is not null && Partner(mine.Card) is { } partner ? Prepare(partner) : null;
        return [.. options.Methods.Select(method => new AutomaticLabel
        {
            Latent = latent,
            Method = method,
            Text = Cut(mine.By(method)?.Text ?? ""),
            Scores = windows is null || mine.By(method) is not { } label ? null : new(windows.Score(label), baseline!, other?.By(method) is { } shuffled ? windows.Score(shuffled) : null),
            Made = DateTimeOffset.Now,
        })];
    }

    /// <summary>What a label of a method says of every token; null where the method finds nothing.</summary>
    /// <param name="latent">0 to d_sae - 1.</param>
    /// <param name="method">Not <see cref="LabelMethod.Explainer"/>, which foretells no activations.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such latent, or it is the explainer.</exception>
    public ITokenPredictor? Predictor(int latent, LabelMethod method) => method == LabelMethod.Explainer
        ? throw new ArgumentOutOfRangeException(nameof(method), "an explainer foretells no activations; expected tokens or pattern.") : Prepare(latent).By(method);

    internal LabelExamples Examples(int latent) => Prepare(latent).Examples;

    internal FeatureCard Card(int latent) => Prepare(latent).Card;

    internal ScoringWindows? Windows(int latent) => ScoringWindows.Of(index, Card(latent), Examples(latent), pool, probe, options);

    internal PredictorScore? PeakToken(int latent, ScoringWindows windows) => TokenListLabel.Peak(Examples(latent)) is { } peak ? windows.Score(TokenListLabel.Of(tokenizer, peak.Token, peak.Activation)) : null;

    internal static string Cut(string text) => text.Length <= AutomaticLabel.LongestText ? text : text[..(AutomaticLabel.LongestText - (char.IsHighSurrogate(text[AutomaticLabel.LongestText - 2]) ? 2 : 1))] + "…";

    /// <summary>The latent whose label is tried on this one: the next that fires and is none of its neighbours.</summary>
    internal int? Partner(FeatureCard card)
    {
        var near = card.Similar.Concat(card.Coactive).Select(n => n.Latent).ToHashSet();
        for (int step = 1; step < index.DSae; step++)
            if ((card.Latent + step) % index.DSae is var other && index.Fired[other] > 0 && !near.Contains(other)) return other;
        return null;
    }

    private Prepared Prepare(int latent)
    {
        if (prepared.TryGetValue(latent, out var known)) return known;
        if (prepared.Count >= Remembered) prepared.Clear();
        var card = index.Card(latent);
        var examples = LabelExamples.Of(card, index.Header.Options.MeasuredContexts);
        var patterns = options.Patterns ? finder.Find(latent, examples.Making) : [];
        return prepared[latent] = new(card, examples, TokenListLabel.Of(card, examples, tokenizer), patterns.Count > 0 ? new PatternLabel(patterns, tokenizer) : null);
    }

    private sealed record Prepared(FeatureCard Card, LabelExamples Examples, TokenListLabel? Tokens, PatternLabel? Pattern)
    {
        public ITokenPredictor? By(LabelMethod method) => method == LabelMethod.Tokens ? Tokens : Pattern;
    }
}
