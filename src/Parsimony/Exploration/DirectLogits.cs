using Parsimony.Autoencoders;
using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Exploration;

/// <summary>
/// Direct logit attribution: what a latent's decoder row does to the logits if no later layer reacted,
/// <c>w = ((D - mean D) * gain) U</c>, less its median over the vocabulary, to which the softmax is blind.
/// </summary>
/// <remarks>At early layers most of a latent's effect goes through later ones, and this misleads.</remarks>
internal static class DirectLogits
{
    /// <summary>The tokens that each latent raises and lowers most; empty lists where there is no linear path.</summary>
    /// <param name="model">The language model.</param>
    /// <param name="at">Where the SAE sits.</param>
    /// <param name="sae">The SAE.</param>
    /// <param name="latents">Indices, <c>[n]</c>, int64.</param>
    /// <param name="candidates">The ids that may be named.</param>
    /// <param name="count">Tokens on each side.</param>
    public static ((int Id, float Logit)[][] Promoted, (int Id, float Logit)[][] Suppressed) Ranked(
        Transformer model, HookPoint at, ISparseAutoencoder sae, Tensor latents, int[] candidates, int count)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        int n = (int)latents.size(0);
        var logits = model.DirectLogits(at, sae.WDec.index_select(0, latents.to(sae.WDec.device))); // [n, d_vocab]
        if (logits is null || count == 0) return (Empty(n), Empty(n));
        logits = logits - logits.kthvalue((logits.size(1) + 1) / 2, -1, keepdim: true).values; // the (lower) median
        logits = logits.index_select(-1, tensor(candidates.Select(id => (long)id).ToArray(), device: logits.device));
        count = Math.Min(count, candidates.Length);
        return (Top(logits, candidates, count, largest: true), Top(logits, candidates, count, largest: false));
    }

    private static (int Id, float Logit)[][] Top(Tensor logits, int[] candidates, int count, bool largest)
    {
        var (values, ids) = logits.topk(count, -1, largest, sorted: true);
        float[] value = values.cpu().contiguous().data<float>().ToArray();
        long[] id = ids.cpu().contiguous().data<long>().ToArray();
        return [.. Enumerable.Range(0, (int)logits.size(0)).Select(row =>
            Enumerable.Range(row * count, count).Select(i => (candidates[id[i]], value[i])).ToArray())];
    }

    private static (int Id, float Logit)[][] Empty(int n) => [.. Enumerable.Repeat(Array.Empty<(int, float)>(), n)];
}
