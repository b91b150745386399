using Parsimony.Exploration.Index;

namespace Parsimony.Exploration;

/// <summary>One token of a context and how strongly the latent fired on it.</summary>
/// <param name="Id">Token id.</param>
/// <param name="Activation">Activation, 0 where the latent is silent.</param>
public sealed record TokenActivation(int Id, float Activation);

/// <summary>A window of text around a place where a latent fires: its strongest in a context, or one that was drawn.</summary>
/// <param name="Tokens">The window's tokens, in order. The activation at the place itself is exact, the others are off by 1 part in 512 at most.</param>
/// <param name="PeakIndex">Index in <paramref name="Tokens"/> of that place.</param>
/// <param name="Context">Number of the context in the index's text.</param>
/// <param name="Position">The place's token in the context.</param>
public sealed record FeatureContext(TokenActivation[] Tokens, int PeakIndex, int Context, int Position);

/// <summary>An interval of a latent's activation.</summary>
/// <param name="Low">Its lower end, which belongs to it; of the first 0, which does not.</param>
/// <param name="High">Its upper end, which does not.</param>
/// <param name="Count">Tokens on which the latent fires in it.</param>
/// <param name="Samples">Some of them, evenly drawn.</param>
public sealed record FeatureInterval(double Low, double High, long Count, FeatureContext[] Samples);

/// <summary>Another latent and how alike it is.</summary>
/// <param name="Latent">Its index.</param>
/// <param name="Likeness">Cosine of the decoder rows, -1 to 1; or the Jaccard index of the tokens fired on, 0 to 1.</param>
public sealed record Neighbour(int Latent, float Likeness);

/// <summary>What one latent looks like: how often it fires, on what, which tokens it speaks for, and which latents are like it.</summary>
public sealed record FeatureCard
{
    /// <summary>Index of the latent, 0-based.</summary>
    public required int Latent { get; init; }

    /// <summary>Fraction of the tokens on which it fires.</summary>
    public required double Density { get; init; }

    /// <summary>Largest activation.</summary>
    public required double MaxActivation { get; init; }

    /// <summary>Mean activation over all tokens.</summary>
    public required double MeanActivation { get; init; }

    /// <summary>Tokens on which it fires.</summary>
    public required long Fired { get; init; }

    /// <summary>Contexts in which it fires.</summary>
    public required long ContextsFired { get; init; }

    /// <summary>Its pre-activations, and with them density and mean under any dials.</summary>
    public required PreActivationHistogram Histogram { get; init; }

    /// <summary>The contexts in which it fires most, strongest first, at most one window per context.</summary>
    public required FeatureContext[] TopContexts { get; init; }

    /// <summary>Its activations in intervals of one width, from 0 to its maximum, with samples of each.</summary>
    public required FeatureInterval[] Intervals { get; init; }

    /// <summary>The tokens whose direct logits it raises most, highest first. At early layers most of a latent's effect is
    /// indirect, and these mislead. Empty where the site has no linear path to the logits (<c>attn_in</c>, <c>attn_qkv</c>, <c>mlp_in</c>, <c>mlp_pre</c>).</summary>
    public required (int Id, float Logit)[] Promoted { get; init; }

    /// <summary>The tokens whose direct logits it lowers most, lowest first; see <see cref="Promoted"/>.</summary>
    public required (int Id, float Logit)[] Suppressed { get; init; }

    /// <summary>How far the next token's distribution moves when the latent is taken out of its strongest contexts: mean Kullback-Leibler divergence, nats; null where it was not measured.</summary>
    public required double? Effect { get; init; }

    /// <summary>The tokens it really raises most, highest first: <c>log p - log p without it</c> behind its peaks, nats. Empty where it was not measured.</summary>
    public required (int Id, float LogProb)[] Raised { get; init; }

    /// <summary>The tokens it really lowers most, lowest first.</summary>
    public required (int Id, float LogProb)[] Lowered { get; init; }

    /// <summary>The latents whose decoder rows have the largest cosine with its own.</summary>
    public required Neighbour[] Similar { get; init; }

    /// <summary>The latents that fire on the same tokens, by the Jaccard index <c>both / (one or the other)</c>: exact where neither fired more often than
    /// <see cref="IndexHeader.CoactivationFirings"/>, else estimated from an even sample of the tokens.</summary>
    public required Neighbour[] Coactive { get; init; }
}
