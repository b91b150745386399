using Parsimony.Models;
using Parsimony.Tokens;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Activations;

/// <summary>Runs contexts through a model, as far as the deepest hook point and no further, and hands over what it read at each.</summary>
public sealed class Harvester : IContextActivations
{
    private readonly Transformer model;
    private readonly IReadOnlyList<int[]> contexts;
    private readonly int batchContexts;

    /// <summary>Prepares; nothing is run yet.</summary>
    /// <param name="model">Stays the caller's, who must not use it while <see cref="Read"/> runs.</param>
    /// <param name="hooks">Where to read, each once.</param>
    /// <param name="contexts">Token ids, at least one context, all of one length.</param>
    /// <param name="batchContexts">Contexts in one forward pass, at least 1.</param>
    /// <exception cref="ArgumentException">No hook point or one twice; no context, or contexts of several lengths.</exception>
    public Harvester(Transformer model, IReadOnlyList<HookPoint> hooks, IReadOnlyList<int[]> contexts, int batchContexts = 32)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batchContexts, 1);
        (this.model, Hooks, this.contexts, this.batchContexts) = (model, ReadHooks.Checked(hooks), contexts, batchContexts);
        SequenceLength = contexts.Count == 0 ? 0 : contexts[0].Length;
        if (contexts is not StoredContexts && contexts.Any( // those have one length by construction, and reading them all would take minutes
            c => c.Length != SequenceLength))
            throw new ArgumentException("The contexts have several lengths; expected one, as the context packer makes them.");
    }

    /// <inheritdoc/>
    public IReadOnlyList<HookPoint> Hooks { get; }

    /// <inheritdoc/>
    public int Contexts => contexts.Count;

    /// <inheritdoc/>
    public int SequenceLength { get; }

    /// <inheritdoc/>
    public int Width(HookPoint at) => Hooks.Contains(at) ? model.Width(at.Site) : throw ReadHooks.Missing(at, Hooks);

    /// <inheritdoc/>
    public void Read(ReadOnlySpan<long> contexts, IReadOnlyDictionary<HookPoint, Tensor> rows, CancellationToken cancellation)
    {
        using var _ = no_grad();
        for (int i = 0; i < contexts.Length; i += batchContexts)
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            int n = Math.Min(batchContexts, contexts.Length - i);
            var ids = new long[n * SequenceLength];
            for (int c = 0; c < n; c++)
                for (int t = 0; t < SequenceLength; t++) ids[c * SequenceLength + t] = this.contexts[(int)contexts[i + c]][t];
            var seen = model.Activations(Hooks, tensor(ids, n, SequenceLength, device: CPU));
            for (int h = 0; h < seen.Count; h++)
                rows[Hooks[h]].narrow(0, (long)i * SequenceLength, ids.Length).copy_(seen[h].reshape(ids.Length, -1));
        }
    }
}
