using Parsimony.Exploration;
using Parsimony.Exploration.Index;
using Parsimony.Exploration.Labels;
using Parsimony.Tokens;

namespace Parsimony.Reporting;

/// <summary>A feature card in readable text, as <c>show feature --json</c> prints it and <c>/api/features/123</c> answers.</summary>
internal sealed record ShownFeature
{
    internal sealed record Passage(int Context, int Position, double Activation, ShadedText Shaded);

    internal sealed record Interval(double Low, double High, long Count, double ShareOfFirings, IReadOnlyList<Passage> Samples);

    internal sealed record Token(string Text, int Id, double Change);

    internal sealed record Like(int Latent, double Likeness);

    internal sealed record Bins(double Threshold, IReadOnlyList<double> Edges, IReadOnlyList<uint> Counts);

    public required int Latent { get; init; }
    public required string Hook { get; init; }
    public required string Text { get; init; }
    public required long Tokens { get; init; }
    public required double Density { get; init; }
    public required long Fired { get; init; }
    public required long ContextsFired { get; init; }
    public required double MaxActivation { get; init; }
    public required double MeanActivation { get; init; }
    /// <summary>Under the dials that were asked for; null without.</summary>
    public required DialPrediction? Predicted { get; init; }
    public required Bins Histogram { get; init; }
    public required IReadOnlyList<Passage> TopContexts { get; init; }
    public required IReadOnlyList<Interval> Intervals { get; init; }
    public required IReadOnlyList<Token> Promoted { get; init; }
    public required IReadOnlyList<Token> Suppressed { get; init; }
    public required double? Effect { get; init; }
    public required IReadOnlyList<Token> Raised { get; init; }
    public required IReadOnlyList<Token> Lowered { get; init; }
    public required IReadOnlyList<Like> Similar { get; init; }
    public required IReadOnlyList<Like> Coactive { get; init; }
    /// <summary>What is said of it; null: the run has no labels.</summary>
    public required LatentLabels? Labels { get; init; }

    /// <summary>Makes a card readable.</summary>
    /// <param name="index">The index.</param>
    /// <param name="latent">The latent.</param>
    /// <param name="tokenizer">The model's.</param>
    /// <param name="scale">c to predict for; null with <paramref name="shift"/>: nothing.</param>
    /// <param name="shift">d to predict for.</param>
    /// <param name="contexts">Contexts to show at most.</param>
    /// <param name="labels">What is said of it.</param>
    public static ShownFeature Of(FeatureIndex index, int latent, Tokenizer tokenizer, double? scale, double? shift, int contexts, LatentLabels? labels)
    {
        var card = index.Card(latent);
        var h = card.Histogram;
        Passage Readable(FeatureContext c) => new(c.Context, c.Position, c.Tokens[c.PeakIndex].Activation,
            ShadedText.Join([.. c.Tokens.Select(t => tokenizer.Bytes(t.Id).ToArray())], [.. c.Tokens.Select(t => t.Activation)], c.PeakIndex));
        Token[] Named((int Id, float Change)[] tokens) => [.. tokens.Where(t => tokenizer.Bytes(t.Id).Length > 0).Select(t => new Token(tokenizer.Display(t.Id), t.Id, t.Change))];
        Like[] Alike(Neighbour[] latents) => [.. latents.Select(n => new Like(n.Latent, n.Likeness))];
        var predicted = scale is null && shift is null ? null : DialPrediction.Of(h, scale ?? 1, shift ?? 0);
        return new()
        {
            Latent = latent,
            Hook = index.Header.Hook.ToString(),
            Text = index.Header.Text ?? "",
            Tokens = index.Header.Tokens,
            Density = card.Density,
            Fired = card.Fired,
            ContextsFired = card.ContextsFired,
            MaxActivation = card.MaxActivation,
            MeanActivation = card.MeanActivation,
            Predicted = predicted,
            Histogram = new(h.Threshold, [.. Enumerable.Range(0, h.Counts.Count + 1).Select(h.Edge)], h.Counts),
            TopContexts = [.. card.TopContexts.Take(contexts).Select(Readable)],
            Intervals = [.. card.Intervals.Select(i => new Interval(i.Low, i.High, i.Count, (double)i.Count / Math.Max(1, card.Fired), [.. i.Samples.Select(Readable)]))],
            Promoted = Named(card.Promoted),
            Suppressed = Named(card.Suppressed),
            Effect = card.Effect,
            Raised = Named(card.Raised),
            Lowered = Named(card.Lowered),
            Similar = Alike(card.Similar),
            Coactive = Alike(card.Coactive),
            Labels = labels,
        };
    }
}
