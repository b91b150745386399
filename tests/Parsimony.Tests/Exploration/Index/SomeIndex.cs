using Parsimony.Activations;
using Parsimony.Autoencoders;
using Parsimony.Exploration.Index;
using Parsimony.Models;
using Parsimony.Tokens;
using static TorchSharp.torch;

namespace Parsimony.Tests.Exploration.Index;

/// <summary>Indexes of tiny things, and all the numbers they are made of.</summary>
internal static class SomeIndex
{
    public static readonly HookPoint At = new(1, HookSite.MlpOut);

    public static readonly FeatureIndexOptions Options = new()
    { TopContexts = 4, SamplesPerInterval = 2, TokensBefore = 3, TokensAfter = 2, LogitTokens = 5, Neighbours = 4, MeasuredLatents = 7, MeasuredContexts = 2, BatchContexts = 5, Seed = 3 };

    /// <summary>Makes an index and opens it.</summary>
    public static FeatureIndex Make(string folder, Transformer model, ISparseAutoencoder sae, IReadOnlyList<int[]> contexts, FeatureIndexOptions? options = null, HookPoint? at = null)
    {
        using (var builder = new FeatureIndexBuilder(folder, model, at ?? At, sae, contexts, new("some", "5ae", "70c", "a text"), options ?? Options)) builder.Build();
        return FeatureIndex.Open(folder);
    }

    /// <summary>Pre-activations and activations by context, token and latent, from one pass over each context.</summary>
    public static (float[][][] Pre, float[][][] F) Latents(Transformer model, ISparseAutoencoder sae, IReadOnlyList<int[]> contexts, HookPoint? at = null)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var pre = new List<float[][]>();
        var f = new List<float[][]>();
        foreach (int[] context in contexts)
        {
            var z = sae.PreActivations(model.Activations(at ?? At, ContextPacker.ToTensor([context])))[0];
            var active = sae.Activate(z);
            pre.Add([.. Enumerable.Range(0, context.Length).Select(t => z[t].contiguous().data<float>().ToArray())]);
            f.Add([.. Enumerable.Range(0, context.Length).Select(t => active[t].contiguous().data<float>().ToArray())]);
        }
        return ([.. pre], [.. f]);
    }

    /// <summary>The hash that decides whether a token is sampled for a latent, and the one that decides for co-activation.</summary>
    public static (uint Sample, ulong Token) Hashes(long seed, long token, int latent)
    {
        ulong hash = SplitMix64.Next(SplitMix64.Next(unchecked((ulong)seed)) ^ (ulong)token);
        return (ExampleKeeper.Hash(hash, latent), hash);
    }
}
