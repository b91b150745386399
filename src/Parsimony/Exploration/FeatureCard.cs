namespace Parsimony.Exploration;

/// <summary>One token of a context and how strongly the latent fired on it.</summary>
/// <param name="Id">Token id.</param>
/// <param name="Activation">Activation, 0 where the latent is silent.</param>
public sealed record TokenActivation(int Id, float Activation);

/// <summary>A window of text around the place where a latent fired most in one context.</summary>
/// <param name="Tokens">The window's tokens, in order.</param>
/// <param name="PeakIndex">Index in <paramref name="Tokens"/> of the strongest activation.</param>
public sealed record FeatureContext(TokenActivation[] Tokens, int PeakIndex);

/// <summary>What one latent looks like: how often it fires, on what, and which tokens it speaks for.</summary>
public sealed record FeatureCard
{
    /// <summary>Index of the latent, 0-based.</summary>
    public required int Latent { get; init; }

    /// <summary>Fraction of the tokens on which it fires.</summary>
    public required double Density { get; init; }

    /// <summary>Largest activation.</summary>
    public required double MaxActivation { get; init; }

    /// <summary>The contexts in which it fires most, strongest first, at most one window per context.</summary>
    public required FeatureContext[] TopContexts { get; init; }

    /// <summary>The tokens whose direct logits it raises most, highest first. At early layers most of a latent's effect is
    /// indirect, and these mislead. Empty where the site has no linear path to the logits (<c>attn_in</c>, <c>attn_qkv</c>, <c>mlp_in</c>, <c>mlp_pre</c>).</summary>
    public required (int Id, float Logit)[] Promoted { get; init; }

    /// <summary>The tokens whose direct logits it lowers most, lowest first; see <see cref="Promoted"/>.</summary>
    public required (int Id, float Logit)[] Suppressed { get; init; }
}
