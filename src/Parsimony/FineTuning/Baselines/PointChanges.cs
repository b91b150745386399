using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Baselines;

/// <summary>Scales and shifts of activations, <c>x (1 + gamma) + d</c>, number by number at some hook points.</summary>
internal static class PointChanges
{
    /// <summary>The tap that makes them.</summary>
    /// <param name="where">Bool, <c>[batch, seq]</c>: the only tokens that are changed; null: all.</param>
    /// <param name="changes">At each point gamma and d, <c>[width]</c>; null: none.</param>
    public static Tap Tap(Tensor? where, IReadOnlyDictionary<HookPoint, (Tensor? Gamma, Tensor? Shift)> changes) => (at, x) =>
    {
        if (!changes.TryGetValue(at, out var change)) return x;
        using var scope = NewDisposeScope();
        var changed = change.Gamma is null ? x : x * (1 + change.Gamma);
        if (change.Shift is not null) changed = changed + change.Shift;
        return LinearMap.Where(where, x, changed).MoveToOuterDisposeScope();
    };
}
