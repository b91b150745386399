using System.Runtime.InteropServices;
using Parsimony.Models;

namespace Parsimony.Exploration.Index;

/// <summary>Writes the files of an index: <c>tokens.bin</c>, its text, and <c>features.bin</c>, its latents.</summary>
internal static unsafe class IndexWriter
{
    /// <summary>The text's tokens, two bytes each where the vocabulary allows it.</summary>
    public static void Tokens(string path, IndexHeader header, IReadOnlyList<int[]> contexts)
    {
        int idBytes = FeatureIndex.IdBytes(header.DVocab);
        IndexFile.Write(path, FeatureIndex.TokensMagic, header,
        [
            ("tokens", header.Tokens * idBytes, stream =>
            {
                var narrow = new ushort[header.SequenceLength];
                for (int c = 0; c < contexts.Count; c++)
                {
                    int[] ids = contexts[c];
                    if (idBytes == sizeof(ushort))
                    {
                        for (int t = 0; t < narrow.Length; t++) narrow[t] = checked((ushort)ids[t]);
                        stream.Write(MemoryMarshal.AsBytes<ushort>(narrow));
                    }
                    else stream.Write(MemoryMarshal.AsBytes<int>(ids));
                }
            }),
        ]);
    }

    /// <summary>The latents: columns of one number each for lists, then what a card shows.</summary>
    public static IndexHeader Features(string path, IndexHeader header, IndexState state, ActivationRule rule, IReadOnlyList<int[]> contexts)
    {
        int n = state.Latents;
        var offsets = new long[n + 1];
        for (int i = 0; i < n; i++) offsets[i + 1] = offsets[i] + Packed(state, header, i, null);
        var (starts, peaking) = PeakingOn(state, header, contexts);
        return IndexFile.Write(path, FeatureIndex.FeaturesMagic, header,
        [
            Column("density", i => (float)((double)state.Fired[i] / header.Tokens)),
            Column("mean", i => (float)(state.Sum[i] / header.Tokens)),
            Raw("max", state.Max, 1),
            Raw("effect", state.Effect, 1),
            Raw("fired", state.Fired, 1),
            Raw("contexts_fired", state.ContextsFired, 1),
            Raw("peak_token", state.PeakToken, 1),
            Raw("sum", state.Sum, 1),
            Raw("sum_pre", state.SumPre, 1),
            Column("threshold", i => rule.Thresholds[i]),
            Raw("first_key", state.FirstKey, 1),
            Raw("histogram", state.Histogram, HistogramBins.Count),
            Raw("interval_end", state.IntervalEnd, 1),
            Raw("interval_counts", state.IntervalCounts, IndexState.Intervals),
            Raw("promoted", state.Promoted, state.LogitTokens),
            Raw("suppressed", state.Suppressed, state.LogitTokens),
            Raw("raised", state.Raised, state.LogitTokens),
            Raw("lowered", state.Lowered, state.LogitTokens),
            Raw("similar", state.Similar, state.Neighbours),
            Raw("coactive", state.Coactive, state.Neighbours),
            Array("example_offsets", offsets),
            ("examples", offsets[n], stream =>
            {
                for (int i = 0; i < n; i++) Packed(state, header, i, stream);
            }),
            Array("token_offsets", starts),
            Array("token_latents", peaking),
        ]);

        (string, long, Action<Stream>) Column(string name, Func<int, float> value) => Array(name, [.. Enumerable.Range(0, n).Select(value)]);

        (string, long, Action<Stream>) Raw<T>(string name, T* column, int perLatent)
            where T : unmanaged
        {
            (nint start, long bytes) = ((nint)column, (long)n * perLatent * sizeof(T));
            return (name, bytes, stream =>
            {
                for (long at = 0; at < bytes; at += 1 << 24) stream.Write(new ReadOnlySpan<byte>((byte*)start + at, (int)Math.Min(1 << 24, bytes - at)));
            }
            );
        }
    }

    private static (string, long, Action<Stream>) Array<T>(string name, T[] elements)
        where T : unmanaged => (name, (long)elements.Length * sizeof(T), stream => stream.Write(MemoryMarshal.AsBytes<T>(elements)));

    /// <summary>A latent's examples: for each 12 bytes of where it is and what, and three bytes for each token of its window on which the latent fires.</summary>
    /// <returns>Their length in bytes.</returns>
    private static int Packed(IndexState state, IndexHeader header, int latent, Stream? to)
    {
        int bytes = 0;
        for (int i = 0; i < state.TopCount[latent]; i++) bytes += PackedExample(state.TopExample(latent, i), 0);
        for (int k = 0; k < IndexState.Intervals; k++)
            for (int i = 0; i < state.SampleCounts[latent * IndexState.Intervals + k]; i++) bytes += PackedExample(state.Sample(latent, k, i), k + 1);
        return bytes;

        int PackedExample(Example* example, int kind)
        {
            ushort* window = IndexState.Window(example);
            int start = Math.Max(0, example->Position - header.Options.TokensBefore), length = Math.Min(header.SequenceLength, example->Position + header.Options.TokensAfter + 1) - start, fires = 0;
            for (int t = 0; t < length; t++) fires += window[t] != 0 ? 1 : 0;
            if (to is null) return PackedExamples.HeadBytes + 3 * fires;
            to.Write(MemoryMarshal.AsBytes([new ExampleHead { Context = example->Context, Position = example->Position, Kind = (byte)kind, Fires = (byte)fires, Value = example->Value }]));
            for (int t = 0; t < length; t++)
                if (window[t] != 0) to.Write([(byte)t, (byte)window[t], (byte)(window[t] >> 8)]);
            return PackedExamples.HeadBytes + 3 * fires;
        }
    }

    /// <summary>For each token the latents whose strongest contexts have their peak on it, those with the most of them first.</summary>
    private static (int[] Starts, Ranked[] Latents) PeakingOn(IndexState state, IndexHeader header, IReadOnlyList<int[]> contexts)
    {
        var found = new List<(int Token, int Latent, int Contexts)>();
        for (int i = 0; i < state.Latents; i++)
        {
            var tokens = new Dictionary<int, int>();
            for (int c = 0; c < state.TopCount[i]; c++)
            {
                int token = contexts[(int)state.TopExample(i, c)->Context][state.TopExample(i, c)->Position];
                tokens[token] = tokens.GetValueOrDefault(token) + 1;
            }
            foreach (var (token, count) in tokens) found.Add((token, i, count));
        }
        var starts = new int[header.DVocab + 1];
        foreach (var (token, _, _) in found) starts[token + 1]++;
        for (int token = 0; token < header.DVocab; token++) starts[token + 1] += starts[token];
        return (starts, [.. found.OrderBy(f => f.Token).ThenByDescending(f => f.Contexts).ThenBy(f => f.Latent).Select(f => new Ranked { Id = f.Latent, Value = f.Contexts })]);
    }
}
