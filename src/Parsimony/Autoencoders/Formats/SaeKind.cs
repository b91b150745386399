using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Autoencoders.Formats;

/// <summary>What an SAE is, in words for messages, and the one rewriting that lets more formats express it.</summary>
public static class SaeKind
{
    /// <summary>Such as "a jumprelu SAE that takes b_dec off its input".</summary>
    internal static string Describe(StoredSae stored) => stored.Sae switch
    {
        Transcoder { K: { } k } t => $"a {t.Architecture} that keeps k = {k} latents",
        Transcoder t => $"a {t.Architecture}",
        var sae => $"a {sae.Architecture} SAE that {(SaeConfigJson.AppliesBDecToInput(sae) ? "takes b_dec off its input" : "does not take b_dec off its input")}",
    } + (stored.Normalisation == StoredSae.Unnormalised ? "" : $" and needs its input normalised ({stored.Normalisation})");

    /// <summary>A sentence about <see cref="Folded"/> where that is all that is missing.</summary>
    internal static string FoldHint(StoredSae stored, bool helps) =>
        helps && stored.Normalisation == StoredSae.Unnormalised ? " Fold b_dec into b_enc (--fold-b-dec) where rounding is no matter." : "";

    /// <summary>Whether a format has its SAEs take b_dec off their input; null where it has both, or folding would not help.</summary>
    public static bool? FormOf(SaeFormat format, ISparseAutoencoder sae) => (format, sae) switch
    {
        (SaeFormat.GemmaScope, StandardSae or JumpReluSae) or (SaeFormat.DictionaryLearning, JumpReluSae) => false,
        (SaeFormat.DictionaryLearning or SaeFormat.Sparsify or SaeFormat.Openai, TopKSae) or (SaeFormat.Openai or SaeFormat.Plain, StandardSae) => true,
        _ => null,
    };

    /// <summary>What the file says that a file of another format has no place for, in words; the function is never among it.</summary>
    public static IReadOnlyList<string> LeftOut(StoredSae stored, SaeFormat format)
    {
        var left = new List<string>();
        bool namesHook = format is SaeFormat.Saelens or SaeFormat.DictionaryLearning or SaeFormat.Sparsify;
        if (stored.LogDensity is not null && format != SaeFormat.Saelens) left.Add("firing densities");
        if (stored.Kept.Count > 0 && stored.From != format) left.Add($"tensors that its function does not need: {string.Join(", ", stored.Kept.Keys)}");
        if (!namesHook && stored.HookName is not null) left.Add("hook point and model");
        if (stored.Said is not null && format != SaeFormat.Saelens) left.Add("hashes of model and tokenizer, and how it was trained");
        if (stored.Said is null && stored.Config is not null && stored.From != format) left.Add("the training configuration");
        if (format == SaeFormat.GemmaScope && stored.Sae is StandardSae) left.Add("that it is a ReLU: it becomes a jumprelu with threshold 0, the same function");
        return left;
    }

    private static bool CanFold(ISparseAutoencoder sae) => sae is StandardSae or JumpReluSae or TopKSae;

    /// <summary>The same function with or without b_dec on the encoder's input:
    /// <c>(x - b_dec) W_enc + b_enc = x W_enc + (b_enc - b_dec W_enc)</c>, the constant in float64. Equal to rounding, not bit for bit.</summary>
    /// <param name="stored">Stays the caller's.</param>
    /// <param name="applyBDecToInput">The form wanted.</param>
    /// <returns>A new one with a copy of the tensors, or <paramref name="stored"/> itself where it has that form.</returns>
    /// <exception cref="NotSupportedException">Gated SAEs and transcoders are not rewritten.</exception>
    public static StoredSae Folded(StoredSae stored, bool applyBDecToInput)
    {
        if (!CanFold(stored.Sae)) throw new NotSupportedException($"b_dec cannot be folded into b_enc of {Describe(stored)}; only of standard, jumprelu and topk ones.");
        if (SaeConfigJson.AppliesBDecToInput(stored.Sae) == applyBDecToInput) return stored;
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var (wEnc, bDec) = (stored.Sae.Weights["W_enc"], stored.Sae.Weights["b_dec"]);
        var constant = bDec.to(ScalarType.Float64).matmul(wEnc.to(ScalarType.Float64));
        var bEnc = stored.Sae.Weights["b_enc"] + (applyBDecToInput ? constant : -constant);
        ISparseAutoencoder sae = stored.Sae switch
        {
            JumpReluSae jump => new JumpReluSae(wEnc, jump.WDec, bEnc, bDec, jump.Threshold, applyBDecToInput),
            TopKSae topK => new TopKSae(wEnc, topK.WDec, bEnc, bDec, topK.K, applyBDecToInput),
            _ => new StandardSae(wEnc, stored.Sae.WDec, bEnc, bDec, applyBDecToInput),
        };
        return stored with
        {
            Sae = sae,
            LogDensity = stored.LogDensity?.clone().DetachFromDisposeScope(),
            Kept = new Dictionary<string, Tensor>(), // they belong to the form it had
        };
    }
}
