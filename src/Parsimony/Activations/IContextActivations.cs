using Parsimony.Models;
using static TorchSharp.torch;

namespace Parsimony.Activations;

/// <summary>The activations of whole contexts, by the context's number: harvested from a model when asked for, or read from a cache.</summary>
public interface IContextActivations
{
    /// <summary>Where it reads; at least one, each once.</summary>
    IReadOnlyList<HookPoint> Hooks { get; }

    /// <summary>Number of contexts.</summary>
    int Contexts { get; }

    /// <summary>Tokens of every context.</summary>
    int SequenceLength { get; }

    /// <summary>Width of the activations at one of <see cref="Hooks"/>.</summary>
    /// <exception cref="ArgumentException">It does not read there.</exception>
    int Width(HookPoint at);

    /// <summary>Fills tensors with the activations of some contexts, one context after the other. May be called on any thread, by one at a time.</summary>
    /// <param name="contexts">Numbers of contexts, 0-based, in the order wanted.</param>
    /// <param name="rows">For each hook point <c>[contexts · sequence length or more, width]</c>, float32; the first rows are overwritten.</param>
    /// <param name="cancellation">Stops between two reads; the rows then hold nothing of use.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    void Read(ReadOnlySpan<long> contexts, IReadOnlyDictionary<HookPoint, Tensor> rows, CancellationToken cancellation);
}

/// <summary>What every reader of activations says when it is asked for a hook point that it does not have.</summary>
internal static class ReadHooks
{
    /// <summary>Returns the hook points, or says what is wrong with them.</summary>
    /// <exception cref="ArgumentException">There is none, or one twice.</exception>
    public static IReadOnlyList<HookPoint> Checked(IReadOnlyList<HookPoint> hooks) => hooks.Count > 0 && hooks.Distinct().Count() == hooks.Count
        ? hooks : throw new ArgumentException($"The hook points are '{string.Join(", ", hooks)}'; name at least one, and each once.");

    /// <summary>The error of a hook point that is not among them.</summary>
    public static ArgumentException Missing(HookPoint at, IEnumerable<HookPoint> hooks) =>
        new($"This stream does not read at {at}; it reads at {string.Join(", ", hooks)}.");
}
