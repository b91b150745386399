using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Parsimony.Activations;
using Parsimony.Training.Kernels;

namespace Parsimony.Exploration.Index;

/// <summary>
/// Takes in the pre-activations of whole contexts. Latents are shared out among threads in blocks, each of which goes over all tokens: a block's histograms stay in cache, and a latent's figures are
/// summed in the order of the text, whatever the number of threads.
/// </summary>
internal sealed unsafe class LatentPass(IndexState state, ActivationRule rule, FeatureIndexOptions options, int sequenceLength, ThreadTeam team)
{
    private const int BlockLatents = 64, TokensInFloat32 = 32, RowsAhead = 4;
    private readonly ExampleKeeper examples = new(state, rule, options, sequenceLength);
    private readonly ulong key = SplitMix64.Next(unchecked((ulong)options.Seed));
    private float* pre, activations;
    private IReadOnlyList<int[]> contexts = [];
    private long firstContext;
    private ulong[] hashes = [];

    /// <summary>Takes in some contexts.</summary>
    /// <param name="preActivations"><c>[contexts, seq, d_sae]</c>.</param>
    /// <param name="activations">The same of activations; null where they follow from the thresholds.</param>
    /// <param name="contexts">Their tokens.</param>
    /// <param name="first">Number of the first of them.</param>
    /// <exception cref="InvalidOperationException">A pre-activation is not finite.</exception>
    public void Take(float* preActivations, float* activations, IReadOnlyList<int[]> contexts, long first)
    {
        pre = preActivations;
        this.activations = activations;
        (this.contexts, firstContext) = (contexts, first);
        if (hashes.Length < contexts.Count * sequenceLength) hashes = new ulong[contexts.Count * sequenceLength];
        for (int i = 0; i < contexts.Count * sequenceLength; i++) hashes[i] = SplitMix64.Next(key ^ (ulong)(first * sequenceLength + i));
        team.Run((state.Latents + BlockLatents - 1) / BlockLatents, (_, block) => Block(block * BlockLatents, Math.Min(BlockLatents, state.Latents - block * BlockLatents)));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Block(int first, int latents)
    {
        float* peaks = stackalloc float[BlockLatents], sums = stackalloc float[BlockLatents];
        int* at = stackalloc int[BlockLatents], bins = stackalloc int[Vector256<int>.Count];
        int vectors = latents & -Vector256<float>.Count;
        var lanes = Vector256.Create(0, 1, 2, 3, 4, 5, 6, 7) * HistogramBins.Count;
        int* firstKey = state.FirstKey + first;
        uint* histogram = state.Histogram + (long)first * HistogramBins.Count;
        fixed (float* thresholds = &rule.Thresholds[first])
            for (int c = 0; c < contexts.Count; c++)
            {
                new Span<float>(peaks, latents).Clear();
                new Span<float>(sums, latents).Clear();
                for (int t = 0; t < sequenceLength; t++)
                {
                    long row = ((long)c * sequenceLength + t) * state.Latents + first;
                    float* z = pre + row, f = activations is null ? null : activations + row;
                    if (t + RowsAhead < sequenceLength) Prefetch.ToSecondLevel(z + (long)RowsAhead * state.Latents, latents); // a row is farther than the processor looks ahead by itself
                    int j = 0;
                    for (; j < vectors; j += Vector256<float>.Count)
                    {
                        var value = Vector256.Load(z + j);
                        var distance = value - Vector256.Load(thresholds + j);
                        var bits = Vector256.ShiftRightLogical(Vector256.Abs(distance).AsInt32(), HistogramBins.KeyShift);
                        var bin = bits - Vector256.Load(firstKey + j);
                        if (Vector256.GreaterThanAny(bin, Vector256.Create(HistogramBins.PerSide - 1)))
                        {
                            for (int lane = 0; lane < Vector256<float>.Count; lane++) LetIn(first + j + lane, bits[lane]);
                            bin = bits - Vector256.Load(firstKey + j);
                        }
                        bin = Vector256.Max(bin, Vector256<int>.Zero);
                        var above = Vector256.GreaterThan(distance, Vector256<float>.Zero);
                        (Vector256.ConditionalSelect(above.AsInt32(), bin + Vector256.Create(HistogramBins.PerSide), Vector256.Create(HistogramBins.PerSide - 1) - bin) + lanes).Store(bins);
                        uint* counts = histogram + (long)j * HistogramBins.Count;
                        counts[bins[0]]++;
                        counts[bins[1]]++;
                        counts[bins[2]]++;
                        counts[bins[3]]++;
                        counts[bins[4]]++;
                        counts[bins[5]]++;
                        counts[bins[6]]++;
                        counts[bins[7]]++;
                        (Vector256.Load(sums + j) + value).Store(sums + j);
                        var active = f is null ? value : Vector256.Load(f + j);
                        uint fires = (f is null ? above : Vector256.GreaterThan(active, Vector256<float>.Zero)).ExtractMostSignificantBits();
                        for (; fires != 0; fires &= fires - 1)
                        {
                            int lane = j + int.TrailingZeroCount((int)fires);
                            Fire(first + lane, f is null ? z[lane] : f[lane], c, t, ref peaks[lane], ref at[lane]);
                        }
                    }
                    for (; j < latents; j++) One(first + j, z[j], f is null ? z[j] > thresholds[j] ? z[j] : 0 : f[j], c, t, ref sums[j], ref peaks[j], ref at[j]);
                    if ((t & (TokensInFloat32 - 1)) == TokensInFloat32 - 1 || t == sequenceLength - 1)
                        for (j = 0; j < latents; j++) (state.SumPre[first + j], sums[j]) = (state.SumPre[first + j] + sums[j], 0);
                }
                for (int j = 0; j < latents; j++)
                    if (peaks[j] > 0) EndContext(first + j, peaks[j], c, at[j]);
            }
    }

    // A latent that does not fill a register.
    private void One(int latent, float z, float f, int context, int token, ref float sum, ref float peak, ref int at)
    {
        float distance = z - rule.Thresholds[latent];
        LetIn(latent, HistogramBins.Key(distance));
        state.Histogram[(long)latent * HistogramBins.Count + HistogramBins.Bin(distance, state.FirstKey[latent])]++;
        sum += z;
        if (f > 0) Fire(latent, f, context, token, ref peak, ref at);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void LetIn(int latent, int bits)
    {
        if (bits >= HistogramBins.Unusable) throw new InvalidDataException(
            $"a pre-activation of latent {latent} is infinite, not a number or beyond 1e38; the SAE or the model is damaged, or they do not belong together.");
        if (bits - state.FirstKey[latent] >= HistogramBins.PerSide) HistogramBins.Grow(state.Histogram + (long)latent * HistogramBins.Count, ref state.FirstKey[latent], bits);
    }

    private void Fire(int latent, float value, int context, int token, ref float peak, ref int at)
    {
        state.Fired[latent]++;
        state.Sum[latent] += value;
        if (value > peak) (peak, at) = (value, token);
        int here = context * sequenceLength + token;
        ulong hash = hashes[here];
        CoactivationSketch.Add(state, latent, hash, (uint)(firstContext * sequenceLength + here));
        examples.Sample(latent, value, hash, (uint)(firstContext + context), token, Column(latent, context));
    }

    private void EndContext(int latent, float peak, int context, int token)
    {
        state.ContextsFired[latent]++;
        if (peak > state.Max[latent]) (state.Max[latent], state.PeakToken[latent]) = (peak, contexts[context][token]);
        if (peak > state.TopFloor[latent]) examples.Top(latent, peak, (uint)(firstContext + context), token, Column(latent, context));
    }

    private float* Column(int latent, int context) => (activations is null ? pre : activations) + (long)context * sequenceLength * state.Latents + latent;
}
