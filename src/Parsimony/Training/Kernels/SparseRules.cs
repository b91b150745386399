using Parsimony.Autoencoders;

namespace Parsimony.Training.Kernels;

/// <summary>The one place where an autoencoder becomes the rule of its sparse step.</summary>
internal static class SparseRules
{
    /// <summary>The rule, with copies of what the autoencoder learns of each latent.</summary>
    /// <param name="start">First weights; stays the caller's.</param>
    /// <param name="options">Resolved options, whose architecture it must be.</param>
    /// <exception cref="ArgumentException">It is another architecture's.</exception>
    public static ISparseRule Of(ISparseAutoencoder start, SaeTrainingOptions options) => (options.Architecture, start) switch
    {
        (SaeArchitecture.Standard, StandardSae sae) => new ReluRule(sae, sae.ApplyBDecToInput, options),
        (SaeArchitecture.Batchtopk or SaeArchitecture.MatryoshkaBatchtopk, StandardSae sae) => new TopKRule(sae, sae.ApplyBDecToInput, options),
        (SaeArchitecture.Topk, TopKSae sae) => new TopKRule(sae, sae.ApplyBDecToInput, options),
        (SaeArchitecture.Jumprelu, JumpReluSae sae) => new JumpReluRule(sae, options),
        (SaeArchitecture.Transcoder, Transcoder sae) =>
            new TranscoderRule(sae, options, options.TopK.K is null ? new ReluRule(sae, false, options) : new TopKRule(sae, false, options)),
        (SaeArchitecture.Gated, GatedSae sae) => new GatedRule(sae, options),
        _ => throw new ArgumentException($"a {start.Architecture} SAE is no start for the sparse step of {options.Architecture.ToString().ToLowerInvariant()}."),
    };

    /// <summary>Whether an autoencoder's encoder takes b_dec off its input.</summary>
    public static bool AppliesBDecToInput(ISparseAutoencoder sae) => sae switch
    {
        StandardSae s => s.ApplyBDecToInput,
        TopKSae s => s.ApplyBDecToInput,
        JumpReluSae s => s.ApplyBDecToInput,
        GatedSae s => s.ApplyBDecToInput,
        _ => false,
    };
}
