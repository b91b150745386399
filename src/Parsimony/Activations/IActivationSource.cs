using static TorchSharp.torch;

namespace Parsimony.Activations;

/// <summary>Where a source stands: enough to go on exactly there.</summary>
/// <param name="Epoch">Passes over all contexts that are complete.</param>
/// <param name="Block">Block inside the epoch, 0-based.</param>
/// <param name="Offset">Rows of the block already given out.</param>
public readonly record struct BufferPosition(long Epoch, long Block, long Offset);

/// <summary>An endless stream of activations in shuffled batches: what an autoencoder is trained on.</summary>
public interface IActivationSource
{
    /// <summary>Rows of every batch.</summary>
    int BatchTokens { get; }

    /// <summary>Width of the activations (d_model at most hook points, d_mlp inside the MLP).</summary>
    int Width { get; }

    /// <summary>Where the next batch comes from. Setting it makes <see cref="Next"/> repeat what it gave at that position.</summary>
    BufferPosition Position { get; set; }

    /// <summary>The next batch, <c>[batch_tokens, width]</c>, float32; the caller's to dispose.</summary>
    /// <param name="cancellation">Stops a long harvest; the position is then unchanged.</param>
    /// <exception cref="OperationCanceledException">Cancelled while harvesting.</exception>
    Tensor Next(CancellationToken cancellation = default);
}
