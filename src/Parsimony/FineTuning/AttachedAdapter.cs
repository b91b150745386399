using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning;

/// <summary>
/// An adapter that is a part of its model (<see cref="Transformer.Attach"/>): what is harvested, measured or learnt on the model is so of the tuned model. At its own hook points an activation is
/// what the adapter made of it, which is what later layers see; before it, at the first of them, a tuned model has nothing that the plain one has not.
/// </summary>
public sealed class AttachedAdapter : IDisposable
{
    private readonly IAdapter adapter;
    private readonly IReadOnlyList<IDisposable> held; // what the tap computed of the adapter's numbers, once

    /// <summary>Attaches it for as long as the model lives.</summary>
    /// <param name="model">The model.</param>
    /// <param name="adapter">The adapter, which is this object's from here on and learns no more.</param>
    /// <param name="sha256">SHA-256 of its files, <see cref="AdapterFolder.Sha256"/>.</param>
    /// <exception cref="ArgumentException">It acts at a prompt's or a response's tokens only, which a text has not.</exception>
    /// <exception cref="InvalidOperationException">The model has one already.</exception>
    public AttachedAdapter(Transformer model, IAdapter adapter, string sha256)
    {
        if (adapter.Positions is not TokenPositions.All) throw new ArgumentException(
            $"the adapter acts at the {adapter.Positions.ToString().ToLowerInvariant()} only, and a text has neither prompt nor response. Attach one that acts at all tokens.", nameof(adapter));
        this.adapter = adapter;
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        foreach (var numbers in adapter.Parameters.Values) numbers.requires_grad = false;
        var tap = adapter.Tap();
        model.Attach(tap, adapter.Hooks, adapter.Reads, sha256);
        held = scope.DisposablesView;
        scope.Detach(held);
    }

    /// <summary>The adapter.</summary>
    public IAdapter Adapter => adapter;

    /// <summary>Frees the adapter; the model must not be run any more.</summary>
    public void Dispose()
    {
        foreach (var tensor in held) tensor.Dispose();
        adapter.Dispose();
    }
}
