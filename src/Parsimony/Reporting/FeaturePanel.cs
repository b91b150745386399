using Parsimony.Exploration;
using Parsimony.Tokens;

namespace Parsimony.Reporting;

/// <summary>A latent as the report shows it: its card in readable text, and what fine-tuning did to it.</summary>
public sealed record FeaturePanel
{
    /// <summary>Index of the latent, 0-based.</summary>
    public required int Latent { get; init; }

    /// <summary>Fraction of the tokens on which it fires.</summary>
    public required double Density { get; init; }

    /// <summary>Largest activation.</summary>
    public required double MaxActivation { get; init; }

    /// <summary>Its dial c; null before fine-tuning.</summary>
    public double? Scale { get; init; }

    /// <summary>Its dial d; null before fine-tuning.</summary>
    public double? Shift { get; init; }

    /// <summary>Fraction of the tokens on which it fires with its dials; null before fine-tuning.</summary>
    public double? DensityAfter { get; init; }

    /// <summary>How far its dials move the layer's output: mean change of the activation times the length of its decoder row.</summary>
    public double? Effect { get; init; }

    /// <summary>Tokens whose direct logits it raises most.</summary>
    public required IReadOnlyList<TokenLogit> Promoted { get; init; }

    /// <summary>Tokens whose direct logits it lowers most.</summary>
    public required IReadOnlyList<TokenLogit> Suppressed { get; init; }

    /// <summary>Windows of text in which it fires most, strongest first.</summary>
    public required IReadOnlyList<ShadedText> Contexts { get; init; }

    /// <summary>A card in readable text.</summary>
    /// <param name="card">The card.</param>
    /// <param name="tokenizer">The tokenizer of the card's model.</param>
    /// <param name="contexts">Contexts at most.</param>
    public static FeaturePanel Of(FeatureCard card, Tokenizer tokenizer, int contexts = int.MaxValue)
    {
        ArgumentNullException.ThrowIfNull(card);
        // A model may have more rows than its tokenizer has tokens: ids that mean nothing are not shown.
        TokenLogit[] Tokens((int Id, float Logit)[] tokens) => [.. tokens
            .Where(t => tokenizer.Bytes(t.Id).Length > 0).Select(t => new TokenLogit(tokenizer.Display(t.Id), t.Logit))];
        return new FeaturePanel
        {
            Latent = card.Latent,
            Density = card.Density,
            MaxActivation = card.MaxActivation,
            Promoted = Tokens(card.Promoted),
            Suppressed = Tokens(card.Suppressed),
            Contexts = [.. card.TopContexts.Take(contexts).Select(context => ShadedText.Join(
                [.. context.Tokens.Select(t => tokenizer.Bytes(t.Id).ToArray())],
                [.. context.Tokens.Select(t => t.Activation)],
                context.PeakIndex))],
        };
    }
}

/// <summary>A token and the change of its logit.</summary>
/// <param name="Token">The token, made visible.</param>
/// <param name="Logit">Direct logit, to one unit of the latent.</param>
public sealed record TokenLogit(string Token, float Logit);
