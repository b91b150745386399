using System.Runtime.CompilerServices;
using Parsimony.Activations;

namespace Parsimony.Exploration.Index;

/// <summary>
/// Keeps a latent's strongest contexts, one place of each, and samples of every interval of its activation. Intervals are of one width, a power of two, the smallest with which eight of them hold the
/// maximum; when that grows beyond them they are joined in pairs. A sample stays when a hash of the seed, the latent and the token is among the smallest: evenly drawn, and the order decides nothing.
/// </summary>
internal sealed unsafe class ExampleKeeper(IndexState state, ActivationRule rule, FeatureIndexOptions options, int sequenceLength)
{
    private const int Intervals = IndexState.Intervals;

    /// <summary>The hash that decides whether a sample stays.</summary>
    /// <param name="tokenHash">Of seed and token.</param>
    /// <param name="latent">The latent.</param>
    public static uint Hash(ulong tokenHash, int latent) => (uint)(((tokenHash ^ ((ulong)(latent + 1) * 0xD1342543DE82EF95)) * SplitMix64.Gamma) >> 32);

    /// <summary>A token on which a latent fires.</summary>
    /// <param name="latent">The latent.</param>
    /// <param name="value">Its activation, above 0.</param>
    /// <param name="tokenHash">Of seed and token.</param>
    /// <param name="context">The context's number.</param>
    /// <param name="token">Place in it.</param>
    /// <param name="column">The latent's value at the context's first token; the next token's is d_sae numbers further.</param>
    public void Sample(int latent, float value, ulong tokenHash, uint context, int token, float* column)
    {
        if (value >= state.IntervalEnd[latent]) Widen(latent, value);
        int interval = Interval(value, state.IntervalEnd[latent]), at = latent * Intervals + interval;
        state.IntervalCounts[at]++;
        uint hash = Hash(tokenHash, latent);
        if (hash < state.SampleLimits[at]) Insert(latent, interval, value, hash, context, token, column);
    }

    /// <summary>The interval of an activation.</summary>
    public static int Interval(float value, float end) => (int)(value * (Intervals / end));

    /// <summary>A context whose peak is above the weakest that is kept.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public void Top(int latent, float peak, uint context, int token, float* column)
    {
        int count = state.TopCount[latent], rank = count;
        while (rank > 0 && state.TopExample(latent, rank - 1)->Value < peak) rank--;
        if (count == state.Top) count--;
        for (int i = count; i > rank; i--) Copy(state.TopExample(latent, i - 1), state.TopExample(latent, i));
        Write(state.TopExample(latent, rank), latent, peak, 0, context, token, column);
        state.TopCount[latent] = count + 1;
        if (count + 1 == state.Top) state.TopFloor[latent] = state.TopExample(latent, state.Top - 1)->Value;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Insert(int latent, int interval, float value, uint hash, uint context, int token, float* column)
    {
        int at = latent * Intervals + interval, count = state.SampleCounts[at], rank = count;
        while (rank > 0 && state.Sample(latent, interval, rank - 1)->Hash > hash) rank--;
        if (count == state.PerInterval) count--;
        for (int i = count; i > rank; i--) Copy(state.Sample(latent, interval, i - 1), state.Sample(latent, interval, i));
        Write(state.Sample(latent, interval, rank), latent, value, hash, context, token, column);
        SetCount(latent, interval, count + 1);
    }

    private void SetCount(int latent, int interval, int count)
    {
        int at = latent * Intervals + interval;
        state.SampleCounts[at] = (byte)count;
        state.SampleLimits[at] = state.PerInterval == 0 ? 0 : count < state.PerInterval ? uint.MaxValue : state.Sample(latent, interval, count - 1)->Hash;
    }

    /// <summary>Joins intervals in pairs until a value is within them.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Widen(int latent, float value)
    {
        float end = BitConverter.Int32BitsToSingle((BitConverter.SingleToInt32Bits(value) & 0x7F800000) + (1 << 23)); // the power of two above it
        if (state.IntervalEnd[latent] == 0) state.IntervalEnd[latent] = end;
        while (state.IntervalEnd[latent] < end)
        {
            uint* counts = state.IntervalCounts + latent * Intervals;
            for (int to = 0; to < Intervals; to++)
            {
                counts[to] = to < Intervals / 2 ? counts[2 * to] + counts[2 * to + 1] : 0;
                Join(latent, to);
            }
            state.IntervalEnd[latent] *= 2;
        }
    }

    // The samples with the smallest hashes of two intervals, in the place of one.
    private void Join(int latent, int to)
    {
        if (to >= Intervals / 2)
        {
            SetCount(latent, to, 0);
            return;
        }
        int bytes = state.ExampleBytes;
        int countA = state.SampleCounts[latent * Intervals + 2 * to], countB = state.SampleCounts[latent * Intervals + 2 * to + 1], a = 0, b = 0, n = 0;
        byte* joined = stackalloc byte[state.PerInterval * bytes + 1];
        while (n < state.PerInterval && (a < countA || b < countB))
        {
            Example* from = b == countB || a < countA && state.Sample(latent, 2 * to, a)->Hash <= state.Sample(latent, 2 * to + 1, b)->Hash
                ? state.Sample(latent, 2 * to, a++) : state.Sample(latent, 2 * to + 1, b++);
            Copy(from, (Example*)(joined + n++ * bytes));
        }
        for (int i = 0; i < n; i++) Copy((Example*)(joined + i * bytes), state.Sample(latent, to, i));
        SetCount(latent, to, n);
    }

    private void Copy(Example* from, Example* to) => Buffer.MemoryCopy(from, to, state.ExampleBytes, state.ExampleBytes);

    private void Write(Example* to, int latent, float value, uint hash, uint context, int token, float* column)
    {
        *to = new Example { Context = context, Position = (ushort)token, Value = value, Hash = hash };
        float threshold = rule.Thresholds[latent];
        ushort* window = IndexState.Window(to);
        for (int t = Math.Max(0, token - options.TokensBefore); t < Math.Min(sequenceLength, token + options.TokensAfter + 1); t++)
        {
            float v = column[(long)t * state.Latents];
            *window++ = v > threshold ? ShortActivation.Of(v) : (ushort)0; // of activations themselves, those above 0 are above the threshold
        }
    }
}
