using Parsimony.Autoencoders;
using Parsimony.Exploration.Index;
using Parsimony.Models;
using Parsimony.Tokens;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Exploration.Labels;

/// <summary>Contexts from all over an index's text, and for every latent where in them it fires: from one pass, a few bytes for each firing.</summary>
internal sealed class ActivationPool
{
    private readonly int[][] firings; // by latent: place in the contexts one after the other, ascending
    private readonly int length;

    /// <summary>Runs the model over them.</summary>
    public ActivationPool(FeatureIndex index, Transformer model, ISparseAutoencoder sae, int contexts)
    {
        contexts = Math.Min(contexts, index.Header.Contexts);
        length = index.Header.SequenceLength;
        Contexts = [.. Enumerable.Range(0, contexts).Select(i => (int)((2L * i + 1) * index.Header.Contexts / (2L * contexts)))];
        Tokens = [.. Contexts.Select(index.Context)];
        var found = new List<int>[sae.DSae];
        using var noGradient = no_grad();
        for (int row = 0; row < contexts; row++)
        {
            using var scope = NewDisposeScope();
            var f = sae.Encode(model.Activations(index.Header.Hook, ContextPacker.ToTensor([Tokens[row]])))[0];     // [seq, d_sae]
            var nonzero = f.nonzero();                                                                              // [firings, 2]
            long[] where = nonzero.size(0) == 0 ? [] : nonzero.cpu().contiguous().data<long>().ToArray();
            for (int i = 0; i < where.Length; i += 2) (found[where[i + 1]] ??= []).Add(row * length + (int)where[i]);
        }
        firings = [.. found.Select(places => places?.ToArray() ?? [])];
        int[] frequent = [.. Tokens.SelectMany(ids => ids).GroupBy(id => id).OrderByDescending(g => g.Count()).ThenBy(g => g.Key).Take(2).Select(g => g.Key)];
        Frequent = (frequent[0], frequent[^1]);
    }

    /// <summary>Numbers of the contexts in the index's text.</summary>
    public int[] Contexts { get; }

    /// <summary>Their tokens.</summary>
    public int[][] Tokens { get; }

    /// <summary>The two most frequent tokens; one twice where there is no other.</summary>
    public (int First, int Second) Frequent { get; }

    /// <summary>Whether a latent is silent on a piece of a context.</summary>
    /// <param name="latent">The latent.</param>
    /// <param name="row">Place of the context in <see cref="Contexts"/>.</param>
    /// <param name="start">First token.</param>
    /// <param name="end">Behind the last.</param>
    public bool IsSilent(int latent, int row, int start, int end)
    {
        int at = Array.BinarySearch(firings[latent], row * length + start);
        if (at >= 0) return false;
        return ~at == firings[latent].Length || firings[latent][~at] >= row * length + end;
    }
}
