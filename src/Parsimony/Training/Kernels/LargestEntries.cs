using System.Numerics;
using System.Runtime.CompilerServices;

namespace Parsimony.Training.Kernels;

/// <summary>
/// Finds the k largest positive pre-activations of each token, or the k · batch largest of a batch, exactly and without storing the rest. The k-th largest among
/// some of the latents is never above the k-th largest among all: it is the floor under which the others are not even written down.
/// </summary>
/// <remarks>Of equal values at the boundary the lower latents stay. The number of threads decides nothing.</remarks>
internal sealed unsafe class LargestEntries : IDisposable
{
    private const int TokensOfATask = 64, LeastSample = 96, RegisterTokens = 64;
    private NativeArray<float>? floors; // [padded batch]
    private NativeArray<float>? values; // of all entries, by token
    private int[] counts = [];          // [slice][token], then where a slice's entries of a token go
    private int[] starts = [];          // [token + 1]
    private int[] ties = [];            // by token: how many entries that equal its floor stay; int.MaxValue: all of them

    /// <summary>Leaves the largest in <see cref="SparseBatch.Active"/>.</summary>
    /// <param name="batch">The step's.</param>
    /// <param name="bias">Of the encoder, <c>[d_sae]</c>.</param>
    /// <param name="k">1 to d_sae.</param>
    /// <param name="perToken">k of each token; else k · batch in all.</param>
    /// <returns>The smallest that stayed, as a mean over the tokens that have any, or of the batch; 0 where nothing stayed.</returns>
    public double Find(SparseBatch batch, float* bias, int k, bool perToken)
    {
        var (active, dSae) = (batch.Active, batch.Active.DSae);
        Prepare(batch.Tokens);
        int sample = Math.Max(LeastSample, (int)Math.Sqrt(2.0 * k * dSae)); // as many entries from the sample as above its floor
        if (sample > dSae / 2) sample = dSae;
        batch.Encoder.FindActive(batch.X, 0, sample, new(bias, bias, batch.NoFloors.Pointer));
        double smallest = Keep(batch, sample, k, perToken);
        if (sample == dSae) return smallest;
        batch.Encoder.FindActive(batch.X, sample, dSae, new(bias, bias, floors!.Pointer));
        return Keep(batch, dSae, k, perToken);
    }

    public void Dispose()
    {
        floors?.Dispose();
        values?.Dispose();
    }

    private void Prepare(int tokens)
    {
        if (ties.Length == tokens) return;
        floors?.Dispose();
        floors = new NativeArray<float>(tokens + RegisterTokens).Cleared();
        (counts, starts, ties) = (new int[LatentSlices.Count * tokens], new int[tokens + 1], new int[tokens]);
    }

    private double Keep(SparseBatch batch, int latents, int k, bool perToken)
    {
        var (active, tokens) = (batch.Active, batch.Tokens);
        if (values is null || values.Length < active.Total)
        {
            values?.Dispose();
            values = new NativeArray<float>(active.Total + active.Total / 4);
        }
        SortByToken(batch, latents);
        double smallest = perToken ? FloorsOfTokens(batch, k) : FloorOfBatch(tokens, (long)k * tokens);
        if (ties.AsSpan(0, tokens).ContainsAnyExcept(int.MaxValue))
            for (int slice = 0; slice < LatentSlices.Count; slice++) Drop(active, latents, slice, perToken); // one after another: they share the counts
        else
            batch.Team.Run(LatentSlices.Count, (_, slice) => Drop(active, latents, slice, perToken));
        return smallest;
    }

    private void SortByToken(SparseBatch batch, int latents)
    {
        var (active, tokens) = (batch.Active, batch.Tokens);
        batch.Team.Run(LatentSlices.Count, (_, slice) =>
        {
            var count = counts.AsSpan(slice * tokens, tokens);
            count.Clear();
            var (first, end) = LatentSlices.Of(slice, latents);
            for (int j = first; j < end; j++)
                foreach (ushort token in new ReadOnlySpan<ushort>(active.Tokens + active.Offsets[j], active.Counts[j])) count[token]++;
        });
        int at = 0;
        for (int token = 0; token < tokens; token++)
        {
            starts[token] = at;
            for (int slice = 0; slice < LatentSlices.Count; slice++) (counts[slice * tokens + token], at) = (at, at + counts[slice * tokens + token]);
        }
        starts[tokens] = at;
        batch.Team.Run(LatentSlices.Count, (_, slice) =>
        {
            var next = counts.AsSpan(slice * tokens, tokens);
            var (first, end) = LatentSlices.Of(slice, latents);
            for (int j = first; j < end; j++)
            {
                ushort* token = active.Tokens + active.Offsets[j];
                float* value = active.Values + active.Offsets[j];
                for (int i = 0; i < active.Counts[j]; i++) values!.Pointer[next[token[i]]++] = value[i];
            }
        });
    }

    private double FloorsOfTokens(SparseBatch batch, int k)
    {
        int tokens = batch.Tokens;
        var smallest = new float[tokens];
        batch.Team.Run((tokens + TokensOfATask - 1) / TokensOfATask, (_, task) =>
        {
            for (int token = task * TokensOfATask; token < Math.Min(tokens, (task + 1) * TokensOfATask); token++)
                (floors!.Pointer[token], ties[token], smallest[token]) = Floor(values!.Pointer + starts[token], starts[token + 1] - starts[token], k);
        });
        double sum = 0;
        int any = 0;
        foreach (float value in smallest)
            if (value > 0) (sum, any) = (sum + value, any + 1);
        return any == 0 ? 0 : sum / any;
    }

    private double FloorOfBatch(int tokens, long wanted)
    {
        var (floor, left, smallest) = Floor(values!.Pointer, starts[tokens], wanted);
        new Span<float>(floors!.Pointer, tokens).Fill(floor);
        Array.Fill(ties, left);
        return smallest;
    }

    // The wanted-th largest value, how many equal to it stay, and the smallest that stays.
    private static (float Floor, int Ties, float Smallest) Floor(float* values, int count, long wanted)
    {
        if (count == 0) return (0, int.MaxValue, 0);
        if (count <= wanted) return (0, int.MaxValue, SmallestNotBelow(values, count, 0));
        float floor = Largest(values, count, (int)wanted);
        int above = CountNotBelow(values, count, MathF.BitIncrement(floor)), equal = CountNotBelow(values, count, floor) - above;
        int left = (int)wanted - above;
        return (floor, left == equal ? int.MaxValue : left, floor);
    }

    // By halving the range of the values' bits, which order positive floats as integers: every pass is one vector comparison after the other, and no branch
    // waits for a value.
    private static float Largest(float* a, int count, int k)
    {
        int low = 0, high = BitConverter.SingleToInt32Bits(float.PositiveInfinity) + 1; // at least k are not below low; fewer than k are not below high
        while (high - low > 1)
        {
            int middle = low + (high - low) / 2;
            float candidate = BitConverter.Int32BitsToSingle(middle);
            int notBelow = CountNotBelow(a, count, candidate);
            if (notBelow == k) return SmallestNotBelow(a, count, candidate);
            if (notBelow > k) low = middle;
            else high = middle;
        }
        return BitConverter.Int32BitsToSingle(low);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static int CountNotBelow(float* a, int count, float value)
    {
        var by = new Vector<float>(value);
        var counts = Vector<int>.Zero;
        int i = 0;
        for (; i <= count - Vector<float>.Count; i += Vector<float>.Count) counts -= Vector.GreaterThanOrEqual(Vector.Load(a + i), by);
        int sum = Vector.Sum(counts);
        for (; i < count; i++) sum += a[i] >= value ? 1 : 0;
        return sum;
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static float SmallestNotBelow(float* a, int count, float value)
    {
        Vector<float> by = new(value), all = new(float.PositiveInfinity), least = all;
        int i = 0;
        for (; i <= count - Vector<float>.Count; i += Vector<float>.Count)
        {
            var v = Vector.Load(a + i);
            least = Vector.Min(least, Vector.ConditionalSelect(Vector.GreaterThanOrEqual(v, by), v, all));
        }
        float smallest = float.PositiveInfinity;
        for (int lane = 0; lane < Vector<float>.Count; lane++) smallest = MathF.Min(smallest, least[lane]);
        for (; i < count; i++)
            if (a[i] >= value) smallest = MathF.Min(smallest, a[i]);
        return smallest;
    }

    private void Drop(ActiveEntries active, int latents, int slice, bool perToken)
    {
        var (first, end) = LatentSlices.Of(slice, latents);
        for (int j = first; j < end; j++)
        {
            ushort* token = active.Tokens + active.Offsets[j];
            float* value = active.Values + active.Offsets[j];
            int kept = 0;
            for (int i = 0; i < active.Counts[j]; i++)
            {
                float floor = floors!.Pointer[token[i]];
                if (value[i] < floor || value[i] == floor && !Stays(perToken ? token[i] : 0)) continue;
                (token[kept], value[kept]) = (token[i], value[i]);
                kept++;
            }
            active.Counts[j] = kept;
        }
    }

    private bool Stays(int token)
    {
        if (ties[token] == int.MaxValue) return true;
        if (ties[token] == 0) return false;
        ties[token]--;
        return true;
    }
}
