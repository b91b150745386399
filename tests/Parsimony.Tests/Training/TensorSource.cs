using Parsimony.Activations;
using Parsimony.Models;
using static TorchSharp.torch;

namespace Parsimony.Tests.Training;

/// <summary>Batches cut from a fixed tensor in order, beginning anew at its end: step s takes rows (s·B + i) mod N. It claims to read at
/// blocks.1.mlp_out unless told otherwise.</summary>
internal sealed class TensorSource(Tensor rows, int batchTokens, HookPoint? at = null) : IActivationSource
{
    private readonly HookPoint hook = at ?? new HookPoint(1, HookSite.MlpOut);

    public IReadOnlyList<HookPoint> Hooks => [hook];

    public int BatchTokens => batchTokens;

    public int Width(HookPoint at) => (int)rows.shape[1];

    public BufferPosition Position { get; set; }

    public ActivationBatch Next(CancellationToken cancellation = default) => new(hook, NextRows());

    public Tensor NextRows()
    {
        long n = rows.shape[0], start = Position.Offset * batchTokens % n;
        Position = Position with { Offset = Position.Offset + 1 };
        return rows.index_select(0, arange(start, start + batchTokens, device: CPU).remainder(n));
    }
}

/// <summary>Calls back at once, on the same thread (the BCL's Progress posts to a pool).</summary>
internal sealed class Told<T>(Action<T> read) : IProgress<T>
{
    public void Report(T value) => read(value);
}

/// <summary>Cancels once a number of batches has been given out.</summary>
internal sealed class StopsAt(IActivationSource source, long step, CancellationTokenSource cancel, Func<BufferPosition, long>? stepOf = null) : IActivationSource
{
    public IReadOnlyList<HookPoint> Hooks => source.Hooks;

    public int BatchTokens => source.BatchTokens;

    public int Width(HookPoint at) => source.Width(at);

    public BufferPosition Position { get => source.Position; set => source.Position = value; }

    public ActivationBatch Next(CancellationToken cancellation = default)
    {
        var batch = source.Next(cancellation);
        if ((stepOf?.Invoke(source.Position) ?? source.Position.Offset) == step) cancel.Cancel();
        return batch;
    }
}
