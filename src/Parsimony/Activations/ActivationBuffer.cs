using System.Diagnostics;
using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Activations;

/// <summary>
/// Contexts in, shuffled batches of activations out: a block of contexts is run through the model up to the deepest hook point, its activations are
/// shuffled together, and batches are cut from it until fewer than one batch is left. Then comes the next block.
/// </summary>
/// <remarks>
/// In every epoch each context comes once, in an order drawn anew; a batch's worth or less at the end of a block is passed over, other
/// tokens next time. All draws follow from the seed, the epoch and the block alone, so a position restores the stream exactly (at the price of
/// harvesting its block again). If all contexts fit in one block they are harvested once and only shuffled anew.
/// </remarks>
public sealed class ActivationBuffer : IActivationSource, IDisposable
{
    private readonly GptNeoX model;
    private readonly IReadOnlyList<int[]> contexts;
    private readonly ActivationBufferOptions options;
    private readonly int sequenceLength;
    private readonly int contextsPerBlock;
    private readonly Stopwatch harvesting = new();
    private readonly Dictionary<HookPoint, Tensor> rows = []; // [block tokens, width]: the activations of the block, contexts in order
    private Tensor? shuffled;  // [block tokens] int64: the order in which they are given out
    private (long Epoch, long Block)? loaded;

    /// <summary>Prepares the stream; nothing is harvested before the first batch is asked for.</summary>
    /// <param name="model">Stays the caller's.</param>
    /// <param name="hooks">Where to read, each once; one pass of the model serves them all.</param>
    /// <param name="contexts">Token ids, all of one length.</param>
    /// <param name="options">Sizes and seed.</param>
    /// <exception cref="ArgumentException">No hook point or one twice, options out of range, contexts of several lengths, or fewer tokens
    /// than one batch.</exception>
    public ActivationBuffer(GptNeoX model, IReadOnlyList<HookPoint> hooks, IReadOnlyList<int[]> contexts, ActivationBufferOptions options)
    {
        (this.model, Hooks, this.contexts, this.options) = (model, hooks, contexts, options.Validated());
        if (hooks.Count == 0 || hooks.Distinct().Count() < hooks.Count)
            throw new ArgumentException($"The hook points are '{string.Join(", ", hooks)}'; name at least one, and each once.");
        sequenceLength = contexts.Count == 0 ? 0 : contexts[0].Length;
        if (contexts.Any(c => c.Length != sequenceLength))
            throw new ArgumentException("The contexts have several lengths; expected one, as the context packer makes them.");
        long tokens = (long)contexts.Count * sequenceLength;
        if (tokens < options.BatchTokens)
            throw new ArgumentException($"The text makes {tokens} tokens in whole contexts; a batch needs {options.BatchTokens}. "
                + "Give more text, or a smaller batch_tokens.");
        contextsPerBlock = ContextsPerBlock(contexts.Count, sequenceLength, options);
    }

    /// <summary>The stream of one hook point.</summary>
    /// <param name="model">Stays the caller's.</param>
    /// <param name="at">Where to read.</param>
    /// <param name="contexts">Token ids, all of one length.</param>
    /// <param name="options">Sizes and seed.</param>
    /// <exception cref="ArgumentException">Options out of range, contexts of several lengths, or fewer tokens than one batch.</exception>
    public ActivationBuffer(GptNeoX model, HookPoint at, IReadOnlyList<int[]> contexts, ActivationBufferOptions options)
        : this(model, [at], contexts, options)
    {
    }

    /// <inheritdoc/>
    public IReadOnlyList<HookPoint> Hooks { get; }

    /// <inheritdoc/>
    public int BatchTokens => options.BatchTokens;

    /// <inheritdoc/>
    public BufferPosition Position { get; set; }

    /// <summary>Blocks of an epoch; with 1 the model runs only once.</summary>
    public int Blocks => (contexts.Count + contextsPerBlock - 1) / contextsPerBlock;

    /// <summary>Tokens run through the model so far; divided by <see cref="HarvestSeconds"/> it is the harvest's tokens/s.</summary>
    public long TokensHarvested { get; private set; }

    /// <summary>Seconds spent in the model so far.</summary>
    public double HarvestSeconds => harvesting.Elapsed.TotalSeconds;

    /// <inheritdoc/>
    public int Width(HookPoint at) => Hooks.Contains(at) ? model.Width(at.Site)
        : throw new ArgumentException($"This stream does not read at {at}; it reads at {string.Join(", ", Hooks)}.");

    /// <inheritdoc/>
    public ActivationBatch Next(CancellationToken cancellation = default)
    {
        using var _ = no_grad();
        var position = Position;
        while (position.Offset + BatchTokens > TokensIn(position.Block))
            position = position.Block + 1 < Blocks ? new(position.Epoch, position.Block + 1, 0) : new(position.Epoch + 1, 0, 0);
        Load(position.Epoch, position.Block, cancellation);
        using var chosen = shuffled!.narrow(0, position.Offset, BatchTokens);
        var batch = new ActivationBatch(Hooks.ToDictionary(at => at, at => rows[at].index_select(0, chosen)));
        Position = position with { Offset = position.Offset + BatchTokens };
        return batch;
    }

    /// <summary>Makes the next batch the one that came after <paramref name="position"/>; the same as setting <see cref="Position"/>.</summary>
    public void Seek(BufferPosition position) => Position = position;

    /// <summary>Frees the block; the model stays.</summary>
    public void Dispose()
    {
        foreach (var tensor in rows.Values) tensor.Dispose();
        shuffled?.Dispose();
    }

    private int ContextsIn(long block) => (int)Math.Min(contextsPerBlock, contexts.Count - block * contextsPerBlock);

    private long TokensIn(long block) => (long)ContextsIn(block) * sequenceLength;

    private void Load(long epoch, long block, CancellationToken cancellation)
    {
        if (loaded == (epoch, block)) return;
        if (loaded is null || Blocks > 1) Harvest(epoch, block, cancellation);
        shuffled?.Dispose();
        shuffled = Permutation(TokensIn(block), epoch, block + 1).DetachFromDisposeScope();
        loaded = (epoch, block);
    }

    private void Harvest(long epoch, long block, CancellationToken cancellation)
    {
        loaded = null;
        foreach (var at in Hooks)
            if (!rows.ContainsKey(at)) rows[at] = empty(TokensIn(0), Width(at)).DetachFromDisposeScope();
        using var scope = NewDisposeScope();
        // One block is kept across epochs, so it must not depend on the epoch in which it was first asked for.
        var order = Blocks == 1 ? arange(contexts.Count) : Permutation(contexts.Count, epoch, 0);
        long[] mine = order.narrow(0, block * contextsPerBlock, ContextsIn(block)).data<long>().ToArray();
        harvesting.Start();
        for (int i = 0; i < mine.Length; i += options.HarvestBatchContexts)
        {
            cancellation.ThrowIfCancellationRequested();
            using var inner = NewDisposeScope();
            int n = Math.Min(options.HarvestBatchContexts, mine.Length - i);
            long[] ids = [.. mine.AsSpan(i, n).ToArray().SelectMany(c => contexts[(int)c].Select(id => (long)id))];
            long tokens = (long)n * sequenceLength;
            foreach (var (at, x) in Hooks.Zip(model.Activations(Hooks, tensor(ids, n, sequenceLength))))
                rows[at].narrow(0, (long)i * sequenceLength, tokens).copy_(x.reshape(tokens, -1));
            TokensHarvested += tokens;
        }
        harvesting.Stop();
    }

    /// <summary>A draw that depends on nothing but the seed and two numbers.</summary>
    private Tensor Permutation(long n, long epoch, long draw)
    {
        ulong seed = SplitMix64.Next(SplitMix64.Next(SplitMix64.Next(unchecked((ulong)options.Seed)) + unchecked((ulong)epoch)) + unchecked((ulong)draw));
        using var generator = new Generator(seed, CPU);
        return randperm(n, ScalarType.Int64, generator: generator);
    }

    /// <summary>As many contexts as the buffer holds; where possible a number that makes whole batches, so that no token is passed over.</summary>
    private static int ContextsPerBlock(int count, int sequenceLength, ActivationBufferOptions options)
    {
        long held = Math.Max(1, options.BufferTokens / sequenceLength);
        if (held >= count) return count;
        long whole = options.BatchTokens / (long)System.Numerics.BigInteger.GreatestCommonDivisor(options.BatchTokens, sequenceLength);
        held = held >= whole ? held / whole * whole : Math.Max(held, (options.BatchTokens + sequenceLength - 1) / sequenceLength);
        return (int)Math.Min(held, count);
    }
}
