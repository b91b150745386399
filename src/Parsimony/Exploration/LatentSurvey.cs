using Parsimony.Autoencoders;
using Parsimony.Evaluation;
using Parsimony.Models;
using static TorchSharp.torch;

namespace Parsimony.Exploration;

/// <summary>How often and how strongly every latent fires on a text.</summary>
public sealed record LatentSurvey
{
    /// <summary>Above this density a latent is too frequent to be chosen while there are others.</summary>
    public const double DenseAbove = SparsityReport.DenseAbove;

    /// <summary>Fraction of tokens on which each latent fires, <c>[d_sae]</c>.</summary>
    public required double[] Density { get; init; }

    /// <summary>Largest activation of each latent, <c>[d_sae]</c>; 0 where it never fires.</summary>
    public required float[] MaxActivation { get; init; }

    /// <summary>The token on which each latent fires most, <c>[d_sae]</c>; -1 where it never fires.</summary>
    public required int[] PeakToken { get; init; }

    /// <summary>Number of contexts in which each latent fires, <c>[d_sae]</c>.</summary>
    public required long[] ContextsFired { get; init; }

    /// <summary>Tokens looked through.</summary>
    public required long TokensSeen { get; init; }

    /// <summary>Makes one pass over the contexts.</summary>
    /// <param name="model">The language model.</param>
    /// <param name="at">Where the SAE sits.</param>
    /// <param name="sae">The SAE.</param>
    /// <param name="contexts">Token contexts, one or more, all of one length.</param>
    /// <param name="batchContexts">Contexts per forward pass, 1 or more.</param>
    /// <param name="tokensDone">Told the tokens looked through so far.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <exception cref="ArgumentException">No contexts, or an SAE of another width.</exception>
    public static LatentSurvey Measure(
        Transformer model, HookPoint at, ISparseAutoencoder sae, IReadOnlyList<int[]> contexts, int batchContexts = 8,
        IProgress<long>? tokensDone = null, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batchContexts, 1);
        using var scope = NewDisposeScope();
        var fired = zeros(sae.DSae, ScalarType.Int64);
        var firedContexts = zeros(sae.DSae, ScalarType.Int64);
        var max = zeros(sae.DSae);
        var peakToken = full(sae.DSae, -1, ScalarType.Int64);
        long tokens = 0;
        LatentBatches.Each(model, at, sae, contexts, batchContexts, (f, tokensOfBatch) =>
        {
            var active = f > 0;                                // [batch, seq, d_sae]
            fired.add_(active.sum([0, 1]));
            firedContexts.add_(active.any(1, keepdim: false).sum([0]));
            var (strongest, place) = f.flatten(0, 1).max(0);
            peakToken.copy_(where(strongest > max, tokensOfBatch.flatten().index_select(0, place), peakToken));
            max.copy_(maximum(max, strongest));
            tokens += f.size(0) * f.size(1);
        }, tokensDone, cancellation);
        return new LatentSurvey
        {
            Density = [.. fired.data<long>().ToArray().Select(count => (double)count / tokens)],
            MaxActivation = max.data<float>().ToArray(),
            PeakToken = [.. peakToken.data<long>().ToArray().Select(id => (int)id)],
            ContextsFired = firedContexts.data<long>().ToArray(),
            TokensSeen = tokens,
        };
    }

    /// <summary>
    /// Chooses latents worth looking at. Those that fire in at least three contexts and on at most a tenth of the tokens are lined up
    /// by density and cut into as many equal groups as are wanted; each group sends the one with the largest activation, of those
    /// whose strongest token none before has, where there is such a one: ten features are to be ten, not one told ten times.
    /// Where there are too few, those that fire at all are taken. No chance is involved.
    /// </summary>
    /// <param name="count">How many at most, 0 or more.</param>
    /// <returns>Indices, from the rarest latent to the most frequent.</returns>
    public int[] Choose(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        int[] alive = [.. Enumerable.Range(0, Density.Length).Where(i => Density[i] > 0).OrderBy(i => Density[i]).ThenBy(i => i)];
        int[] fit = [.. alive.Where(i => ContextsFired[i] >= 3 && Density[i] <= DenseAbove)];
        if (fit.Length < count) fit = alive;
        count = Math.Min(count, fit.Length);
        var chosen = new int[count];
        var told = new HashSet<int>();
        for (int group = 0; group < count; group++)
        {
            int[] members = fit[(int)((long)group * fit.Length / count)..(int)((long)(group + 1) * fit.Length / count)];
            int[] news = [.. members.Where(i => !told.Contains(PeakToken[i]))];
            chosen[group] = (news.Length > 0 ? news : members).MaxBy(i => MaxActivation[i]);
            told.Add(PeakToken[chosen[group]]);
        }
        return chosen;
    }
}
