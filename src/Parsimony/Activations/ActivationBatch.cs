using Parsimony.Models;
using static TorchSharp.torch;

namespace Parsimony.Activations;

/// <summary>One batch of a stream: the activations of the same tokens at each of its hook points. Row i is the same token at all of them.</summary>
/// <remarks>Made in the caller's dispose scope like any result; <see cref="Dispose"/> frees it sooner.</remarks>
public sealed class ActivationBatch : IDisposable
{
    private readonly IReadOnlyDictionary<HookPoint, Tensor> rows;

    /// <summary>A batch of these activations, which are the batch's from here on.</summary>
    /// <param name="rows">For each hook point <c>[batch_tokens, width]</c>, float32.</param>
    public ActivationBatch(IReadOnlyDictionary<HookPoint, Tensor> rows) => this.rows = rows;

    /// <summary>A batch read at one hook point.</summary>
    /// <param name="hook">Where it was read.</param>
    /// <param name="rows"><c>[batch_tokens, width]</c>, float32; the batch's from here on.</param>
    public ActivationBatch(HookPoint hook, Tensor rows) : this(new Dictionary<HookPoint, Tensor> { [hook] = rows })
    {
    }

    /// <summary>The activations at a hook point, <c>[batch_tokens, width]</c>, float32; they stay the batch's.</summary>
    /// <exception cref="ArgumentException">The stream does not read there.</exception>
    public Tensor At(HookPoint hook) => rows.TryGetValue(hook, out var found) ? found
        : throw new ArgumentException($"This stream does not read at {hook}; it reads at {string.Join(", ", rows.Keys)}.");

    /// <summary>Frees the activations.</summary>
    public void Dispose()
    {
        foreach (var tensor in rows.Values) tensor.Dispose();
    }
}
