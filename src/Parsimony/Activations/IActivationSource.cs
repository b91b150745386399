using Parsimony.Models;

namespace Parsimony.Activations;

/// <summary>Where a source stands: enough to go on exactly there.</summary>
/// <param name="Epoch">Passes over all contexts that are complete.</param>
/// <param name="Block">Block inside the epoch, 0-based.</param>
/// <param name="Offset">Rows of the block already given out.</param>
public readonly record struct BufferPosition(long Epoch, long Block, long Offset);

/// <summary>How long a stream's two sides have waited for each other.</summary>
/// <param name="ForActivations">Seconds that <see cref="IActivationSource.Next"/> took for a block that was not ready.</param>
/// <param name="ForTraining">Seconds that the thread reading ahead stood still because its block was not wanted yet; 0 without such a thread.</param>
public readonly record struct ActivationWaits(double ForActivations, double ForTraining);

/// <summary>An endless stream of activations in shuffled batches: what autoencoders are trained on. One stream may read at several hook points;
/// it gives the same tokens in the same order at all of them.</summary>
public interface IActivationSource
{
    /// <summary>Where it reads; at least one, each once.</summary>
    IReadOnlyList<HookPoint> Hooks { get; }

    /// <summary>Rows of every batch.</summary>
    int BatchTokens { get; }

    /// <summary>Width of the activations at one of <see cref="Hooks"/> (d_model at most hook points, d_mlp inside the MLP).</summary>
    /// <exception cref="ArgumentException">The stream does not read there.</exception>
    int Width(HookPoint at);

    /// <summary>Where the next batch comes from. Setting it makes <see cref="Next"/> repeat what it gave at that position.</summary>
    BufferPosition Position { get; set; }

    /// <summary>Who has waited for whom so far; nobody, for a source that does not say.</summary>
    ActivationWaits Waits => default;

    /// <summary>The next batch, at every hook point <c>[batch_tokens, width]</c>, float32; the caller's to dispose.</summary>
    /// <param name="cancellation">Stops a long harvest; the position is then unchanged.</param>
    /// <exception cref="OperationCanceledException">Cancelled while harvesting.</exception>
    ActivationBatch Next(CancellationToken cancellation = default);
}
