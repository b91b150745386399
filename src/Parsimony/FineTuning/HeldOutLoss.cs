using Parsimony.Models;
using Parsimony.Splicing;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning;

/// <summary>The loss on held-out examples, every target weighed alike, summed in float64.</summary>
internal sealed class HeldOutLoss(
    Transformer model, PrefixCache prefixes, IReadOnlyList<SftExample> examples, int batchSize, CancellationToken cancellation)
{
    /// <summary>Nats per target with the given tap; NaN when there are no examples.</summary>
    public double Of(Tap? tap) => Of(_ => tap);

    /// <summary>The same with an adapter.</summary>
    public double With(IAdapter adapter) => Of(batch => adapter.Tap(batch.Where(adapter.Positions)));

    /// <summary>The same with an adapter at rest.</summary>
    public double AtRest(IAdapter adapter) => Of(_ => adapter.Rest());

    private double Of(Func<SftBatch, Tap?> tapOf)
    {
        using var noGradient = no_grad();
        double nats = 0;
        long targets = 0;
        foreach (var chunk in examples.Chunk(batchSize))
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var batch = new SftBatch(chunk);
            nats += batch.LossSum(model, model.ResidualFrom(prefixes.Batch(batch.Rows), tapOf(batch))).item<float>();
            targets += batch.Targets;
        }
        return nats / targets;
    }
}
