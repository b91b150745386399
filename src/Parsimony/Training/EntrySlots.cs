using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>Latents above zero, one a slot; a slot without one has the value 0 and points anywhere.</summary>
/// <param name="Tokens">Row of each, <c>[capacity]</c> int64.</param>
/// <param name="Latents">Column of each, <c>[capacity]</c> int64.</param>
/// <param name="Values">The latent, <c>[capacity]</c> float32.</param>
/// <param name="Filled">Whether the slot holds one, <c>[capacity]</c> bool.</param>
internal readonly record struct SlotEntries(Tensor Tokens, Tensor Latents, Tensor Values, Tensor Filled);

/// <summary>
/// A fixed number of places for the latents of a batch that are above zero, filled on the device they are on without ever asking it how many there
/// are: slot n takes the place where the running count of entries above zero first reaches n.
/// </summary>
internal sealed class EntrySlots : IDisposable
{
    private readonly long dSae;
    private readonly Tensor numbers; // [capacity]: 1, 2, ...
    private readonly Tensor spare;   // [capacity] int64: where an empty slot points; apart from each other, so that sums do not queue for one row

    /// <param name="batch">Tokens.</param>
    /// <param name="dSae">Latents.</param>
    /// <param name="capacity">Slots, 1 to batch · d_sae.</param>
    /// <param name="device">Where.</param>
    public EntrySlots(long batch, long dSae, long capacity, Device device)
    {
        (Batch, this.dSae, Capacity) = (batch, dSae, capacity);
        using var scope = NewDisposeScope();
        numbers = arange(1, capacity + 1, Counting, device).DetachFromDisposeScope();
        spare = (arange(capacity, ScalarType.Int64, device) * (dSae + 1)).remainder_(batch * dSae).DetachFromDisposeScope();
    }

    /// <summary>Tokens of the batches.</summary>
    public long Batch { get; }

    /// <summary>Slots.</summary>
    public long Capacity { get; }

    private ScalarType Counting => Batch * dSae <= int.MaxValue ? ScalarType.Int32 : ScalarType.Int64;

    /// <summary>The entries of a batch, in the order of tokens, then latents; those beyond the capacity are in no slot.</summary>
    /// <param name="f">Latents, <c>[batch, d_sae]</c>, contiguous.</param>
    /// <param name="count">How many of them are above zero, a scalar.</param>
    public SlotEntries Fill(Tensor f, Tensor count)
    {
        using var scope = NewDisposeScope();
        var flat = f.view(-1);
        var running = (flat > 0).cumsum(0, Counting);
        var filled = numbers <= count;
        var places = where(filled, searchsorted(running, numbers, false, false, null), spare);
        var values = flat.index_select(0, places).masked_fill_(filled.logical_not(), 0);
        var tokens = places.div(dSae, RoundingMode.floor);
        var entries = new SlotEntries(tokens, places.sub_(tokens * dSae), values, filled);
        foreach (var t in (Tensor[])[entries.Tokens, entries.Latents, entries.Values, entries.Filled]) t.MoveToOuterDisposeScope();
        return entries;
    }

    public void Dispose()
    {
        numbers.Dispose();
        spare.Dispose();
    }
}
