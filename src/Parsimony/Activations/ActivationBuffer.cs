using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Activations;

/// <summary>
/// Contexts in, shuffled batches of activations out: a block of contexts is harvested (or read from a cache), its activations are shuffled
/// together, and batches are cut from it until fewer than one batch is left. Then comes the next block, which a thread of its own has read
/// in the meantime.
/// </summary>
/// <remarks>
/// In every epoch each context comes once, in an order drawn anew; a batch's worth or less at the end of a block is passed over, other
/// tokens next time. All draws follow from the seed, the epoch and the block alone, so a position restores the stream exactly (at the price of
/// reading its block again). If all contexts fit in one block they are read once and only shuffled anew.
/// </remarks>
public sealed class ActivationBuffer : IActivationSource, IDisposable
{
    private readonly IContextActivations source;
    private readonly ActivationBufferOptions options;
    private readonly ShuffleOrder order;
    private readonly BlockReader blocks;
    private Tensor? shuffled;  // [block tokens] int64: the order in which the rows of the block are given out
    private (long Epoch, long Block) shuffledIs;

    /// <summary>Prepares the stream; nothing is read before the first batch is asked for.</summary>
    /// <param name="source">Where whole contexts' activations come from; stays the caller's. With <see cref="ActivationBufferOptions.Prefetch"/>
    /// it is read on another thread until this is disposed.</param>
    /// <param name="options">Sizes and seed.</param>
    /// <exception cref="ArgumentException">Options out of range, or fewer tokens than one batch.</exception>
    public ActivationBuffer(IContextActivations source, ActivationBufferOptions options)
    {
        (this.source, this.options) = (source, options.Validated());
        long tokens = (long)source.Contexts * source.SequenceLength;
        if (tokens < options.BatchTokens)
            throw new ArgumentException($"The text makes {tokens} tokens in whole contexts; a batch needs {options.BatchTokens}. "
                + "Give more text, or a smaller batch_tokens.");
        order = new ShuffleOrder(source.Contexts, source.SequenceLength, options);
        blocks = new BlockReader(source, order, options.Prefetch);
    }

    /// <summary>The stream of several hook points of a model; one pass of the model serves them all.</summary>
    /// <param name="model">Stays the caller's, who must not use it before this is disposed.</param>
    /// <param name="hooks">Where to read, each once.</param>
    /// <param name="contexts">Token ids, all of one length.</param>
    /// <param name="options">Sizes and seed.</param>
    /// <exception cref="ArgumentException">No hook point or one twice, options out of range, contexts of several lengths, or fewer tokens
    /// than one batch.</exception>
    public ActivationBuffer(Transformer model, IReadOnlyList<HookPoint> hooks, IReadOnlyList<int[]> contexts, ActivationBufferOptions options)
        : this(new Harvester(model, hooks, contexts, options.Validated().HarvestBatchContexts), options)
    {
    }

    /// <summary>The stream of one hook point of a model.</summary>
    /// <param name="model">Stays the caller's, who must not use it before this is disposed.</param>
    /// <param name="at">Where to read.</param>
    /// <param name="contexts">Token ids, all of one length.</param>
    /// <param name="options">Sizes and seed.</param>
    /// <exception cref="ArgumentException">Options out of range, contexts of several lengths, or fewer tokens than one batch.</exception>
    public ActivationBuffer(Transformer model, HookPoint at, IReadOnlyList<int[]> contexts, ActivationBufferOptions options)
        : this(model, [at], contexts, options)
    {
    }

    /// <inheritdoc/>
    public IReadOnlyList<HookPoint> Hooks => source.Hooks;

    /// <inheritdoc/>
    public int BatchTokens => options.BatchTokens;

    /// <inheritdoc/>
    public BufferPosition Position { get; set; }

    /// <inheritdoc/>
    public ActivationWaits Waits => blocks.Waits;

    /// <summary>Blocks of an epoch; with 1 everything is read only once.</summary>
    public int Blocks => order.Blocks;

    /// <summary>Bytes that the blocks take once they are read; with <see cref="ActivationBufferOptions.Prefetch"/> there are two.</summary>
    public long Bytes => order.TokensIn(0) * (Hooks.Sum(at => (long)Width(at)) * sizeof(float) * (blocks.IsAhead ? 2 : 1) + sizeof(long));

    /// <summary>Tokens read so far, those of a block that no batch has come from yet included; divided by <see cref="HarvestSeconds"/> it is
    /// the harvest's tokens/s.</summary>
    public long TokensHarvested => blocks.Tokens;

    /// <summary>Seconds spent reading so far, whether or not anybody waited for it.</summary>
    public double HarvestSeconds => blocks.ReadingSeconds;

    /// <inheritdoc/>
    public int Width(HookPoint at) => source.Width(at);

    /// <inheritdoc/>
    public ActivationBatch Next(CancellationToken cancellation = default)
    {
        using var _ = no_grad();
        var position = Position;
        while (position.Offset + BatchTokens > order.TokensIn(position.Block))
            position = position.Block + 1 < Blocks ? new(position.Epoch, position.Block + 1, 0) : new(position.Epoch + 1, 0, 0);
        var rows = blocks.Get(position.Epoch, position.Block, cancellation);
        Shuffle(position.Epoch, position.Block);
        using var chosen = shuffled!.narrow(0, position.Offset, BatchTokens);
        var batch = new ActivationBatch(Hooks.ToDictionary(at => at, at => rows[at].index_select(0, chosen)));
        Position = position with { Offset = position.Offset + BatchTokens };
        return batch;
    }

    /// <summary>Makes the next batch the one that came after <paramref name="position"/>; the same as setting <see cref="Position"/>.</summary>
    public void Seek(BufferPosition position) => Position = position;

    /// <summary>Stops reading ahead and frees the blocks; the source stays.</summary>
    public void Dispose()
    {
        blocks.Dispose();
        shuffled?.Dispose();
    }

    private void Shuffle(long epoch, long block)
    {
        if (shuffled is not null && shuffledIs == (epoch, block)) return;
        shuffled?.Dispose();
        shuffled = order.RowsOf(epoch, block).DetachFromDisposeScope();
        shuffledIs = (epoch, block);
    }
}
