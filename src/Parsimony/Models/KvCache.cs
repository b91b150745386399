using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>Keys and values of the tokens a model has already seen, so that each new token costs one position.</summary>
public sealed class KvCache : IDisposable
{
    private readonly Tensor[] keys, values;

    /// <summary>Room for <paramref name="capacity"/> tokens of <paramref name="batch"/> sequences.</summary>
    /// <param name="config">The model's shape.</param>
    /// <param name="batch">Sequences, 1 or more.</param>
    /// <param name="capacity">Tokens of each, 1 or more.</param>
    /// <param name="device">Where the model runs; null: the processor.</param>
    public KvCache(IModelConfig config, int batch, int capacity, Device? device = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        Capacity = capacity;
        keys = New();
        values = New();

        Tensor[] New() => [.. Enumerable.Range(0, config.NLayers).Select(_ =>
            zeros(batch, config.NKvHeads, capacity, config.DHead, device: device).DetachFromDisposeScope())];
    }

    /// <summary>Bytes that such a cache takes.</summary>
    /// <param name="config">The model's shape.</param>
    /// <param name="batch">Sequences.</param>
    /// <param name="capacity">Tokens of each.</param>
    public static long Bytes(IModelConfig config, int batch, int capacity) => 2L * sizeof(float) * config.NLayers * batch * config.NKvHeads * capacity * config.DHead;

    /// <summary>How many tokens fit.</summary>
    public int Capacity { get; }

    /// <summary>How many tokens are held.</summary>
    public int Length { get; private set; }

    /// <summary>Stores the keys and values <c>[batch, heads, new, d_head]</c> of the newest tokens and returns those of all tokens.</summary>
    internal (Tensor Keys, Tensor Values) Append(int layer, Tensor newKeys, Tensor newValues)
    {
        long count = newKeys.size(2);
        if (Length + count > Capacity)
            throw new InvalidOperationException($"the cache holds {Length} of {Capacity} tokens; {count} more do not fit.");
        keys[layer].narrow(2, Length, count).copy_(newKeys);
        values[layer].narrow(2, Length, count).copy_(newValues);
        return (keys[layer].narrow(2, 0, Length + count), values[layer].narrow(2, 0, Length + count));
    }

    /// <summary>Called once a pass is through all layers.</summary>
    internal void Advance(int count) => Length += count;

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var t in keys) t.Dispose();
        foreach (var t in values) t.Dispose();
    }
}
