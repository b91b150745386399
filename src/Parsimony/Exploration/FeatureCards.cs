using Parsimony.Autoencoders;
using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Exploration;

/// <summary>Finds out what latents look like: the article's "what text makes each fire", and the tokens each speaks for.</summary>
public static class FeatureCards
{
    /// <summary>Cards of the given latents from one pass over the contexts. The same input gives the same cards.</summary>
    /// <param name="model">The language model.</param>
    /// <param name="at">Where the SAE sits.</param>
    /// <param name="sae">The SAE.</param>
    /// <param name="contexts">Token contexts, one or more, all of one length.</param>
    /// <param name="latents">Indices of latents, in the order of the cards.</param>
    /// <param name="contextsPerLatent">Contexts on a card at most, 0 or more.</param>
    /// <param name="options">How much a card shows; null for the defaults.</param>
    /// <param name="tokensDone">Told the tokens looked through so far, of contexts times their length.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <exception cref="ArgumentException">No contexts, a latent the SAE does not have, or an SAE of another width.</exception>
    public static FeatureCard[] Build(
        Transformer model, HookPoint at, ISparseAutoencoder sae, IReadOnlyList<int[]> contexts, IReadOnlyList<int> latents,
        int contextsPerLatent, FeatureCardOptions? options = null, IProgress<long>? tokensDone = null,
        CancellationToken cancellation = default)
    {
        options = (options ?? new FeatureCardOptions()).Validated();
        ArgumentOutOfRangeException.ThrowIfNegative(contextsPerLatent);
        foreach (int latent in latents)
            if (latent < 0 || latent >= sae.DSae)
                throw new ArgumentException($"there is no latent {latent}; this SAE has latents 0 to {sae.DSae - 1}.");
        if (latents.Count == 0) return [];

        var found = latents.Select(_ => new TopContexts(contextsPerLatent)).ToArray();
        int contextsSeen = 0;
        using var chosen = tensor(latents.Select(latent => (long)latent).ToArray());
        LatentBatches.Each(model, at, sae, contexts, options.BatchContexts, (f, _) =>
        {
            int batch = (int)f.size(0), seq = (int)f.size(1);
            float[] values = f.index_select(-1, chosen).permute(2, 0, 1).contiguous().data<float>().ToArray(); // [n, batch, seq]
            for (int n = 0; n < found.Length; n++)
                for (int row = 0; row < batch; row++)
                    found[n].Add(contexts[contextsSeen + row], values.AsSpan((n * batch + row) * seq, seq), options);
            contextsSeen += batch;
        }, tokensDone, cancellation);

        var candidates = options.OnlyTokensSeen ? contexts.SelectMany(context => context).Distinct() : Enumerable.Range(0, model.Config.DVocab);
        var (promoted, suppressed) = DirectLogits.Ranked(model, at, sae, chosen, [.. candidates.Order()], options.LogitTokens);
        return [.. latents.Select((latent, n) => new FeatureCard
        {
            Latent = latent,
            Density = (double)found[n].Fired / ((long)contexts.Count * contexts[0].Length),
            MaxActivation = found[n].Max,
            TopContexts = found[n].Contexts,
            Promoted = promoted[n],
            Suppressed = suppressed[n],
        })];
    }
}
