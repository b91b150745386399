using Parsimony.Models;
using Parsimony.Splicing;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning;

/// <summary>The loss with the first of several SAEs inserted. "Reconstruction loss compounds", says the article; in delta mode it must not.</summary>
/// <param name="Count">How many are inserted, from the lowest layer up; 0: the plain model.</param>
/// <param name="Replace">Nats per target where their reconstructions take the activations' places.</param>
/// <param name="Delta">The same in delta mode with dials at rest: bit by bit the plain model's.</param>
public sealed record InsertedSaes(int Count, double Replace, double Delta)
{
    /// <summary>Measures from none to all of them.</summary>
    /// <param name="model">The model.</param>
    /// <param name="saes">In the order of the pass.</param>
    /// <param name="prefixes">States below the first.</param>
    /// <param name="examples">What to measure on; without any there is nothing to measure.</param>
    /// <param name="batchSize">Examples at a time.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    public static IReadOnlyList<InsertedSaes>? Measure(
        Transformer model, IReadOnlyList<SplicedSae> saes, PrefixCache prefixes, IReadOnlyList<SftExample> examples, int batchSize, CancellationToken cancellation = default)
    {
        if (examples.Count == 0) return null;
        var loss = new HeldOutLoss(model, prefixes, examples, batchSize, cancellation);
        double With(int count, SpliceMode mode)
        {
            using var scope = NewDisposeScope();
            return loss.Of(Taps.Chain([.. saes.Take(count).Select(s => Taps.Splice(s.At, s.Sae, mode))]));
        }
        double plain = loss.Of(null);
        return [new(0, plain, plain), .. Enumerable.Range(1, saes.Count).Select(count => new InsertedSaes(count, With(count, SpliceMode.Replace), With(count, SpliceMode.Delta)))];
    }
}
