using Parsimony.Autoencoders;
using Parsimony.Models;
using Parsimony.Splicing;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Evaluation;

/// <summary>Measures an SAE inside its model: losses plain, spliced and ablated, and how well and how sparsely it reconstructs.</summary>
public static class SpliceEvaluation
{
    /// <summary>Bytes of prefix states kept between the two passes unless the caller says otherwise: 1 GiB.</summary>
    public const long DefaultPrefixCacheBytes = 1L << 30;

    /// <summary>
    /// Two passes over the contexts: the first measures the activations and their mean, the second the loss of every variant and its
    /// divergence from the plain model. The layers below the hook are the same in all variants and run once. Sums are float64; the batch
    /// size does not change the result beyond float32 rounding in the model. Contexts may differ in length; padding counts nowhere.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="at">Where the SAE goes; for a transcoder where it reads.</param>
    /// <param name="sae">The SAE.</param>
    /// <param name="contexts">Token contexts, of 2 tokens or more each.</param>
    /// <param name="batchContexts">Contexts per forward pass, 1 or more.</param>
    /// <param name="scale">Dials c, <c>[d_sae]</c>; with dials, every figure is that of the SAE under them.</param>
    /// <param name="shift">Dials d, <c>[d_sae]</c>.</param>
    /// <param name="prefixCacheBytes">Memory for the states below the hook; what does not fit is run twice.</param>
    /// <param name="to">Where a transcoder writes; null: the SAE is no transcoder. Ablations, means and activations are of this point.</param>
    /// <param name="progress">Told after every batch.</param>
    /// <param name="cancellation">Ends the measurement between two batches.</param>
    /// <exception cref="ArgumentException">No contexts, one of a single token, an SAE or dials of the wrong width, or a transcoder with dials.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static SpliceReport Run(
        Transformer model, HookPoint at, ISparseAutoencoder sae, IReadOnlyList<int[]> contexts, int batchContexts = 8,
        Tensor? scale = null, Tensor? shift = null, long prefixCacheBytes = DefaultPrefixCacheBytes, HookPoint? to = null,
        IProgress<EvaluationProgress>? progress = null, CancellationToken cancellation = default)
    {
        var batches = new EvaluationBatches(contexts, batchContexts, progress, cancellation);
        SpliceFit.Ensure(model, at, sae, to);
        bool withDials = scale is not null || shift is not null;
        if (to is not null && withDials) throw new ArgumentException("a transcoder takes no dials here.");
        var replace = to is { } output ? Taps.Transcode(at, output, sae) : Taps.Splice(at, sae, SpliceMode.Replace, scale, shift);
        using var noGradient = no_grad();
        using var prefixes = new PrefixCache(model, at, prefixCacheBytes);

        using var statistics = new ReconstructionStatistics(sae);
        foreach (var batch in batches.Each("activations"))
        {
            using var scope = NewDisposeScope();
            var state = prefixes.Batch(batch);
            var x = Tokens(state.Activation, batch);
            var f = Taps.Latents(sae, x, scale, shift);
            statistics.Add(Target(state, batch), to is null ? sae.Decode(f) : sae.Reconstruct(x), f);
        }

        using var mean = statistics.Mean();
        var losses = new VariantLosses(model,
        [
            null, replace, Taps.ZeroAblate(to ?? at), Taps.MeanAblate(to ?? at, mean),
            .. withDials ? (Tap[])[Taps.Splice(at, sae, SpliceMode.Delta, scale, shift)] : [],
        ]);
        foreach (var batch in batches.Each("losses"))
        {
            using var scope = NewDisposeScope();
            var state = prefixes.Batch(batch);
            statistics.AddDeviations(Target(state, batch));
            losses.Add(state, batch);
        }

        int delta = withDials ? 4 : 0; // without dials it is the plain model
        return new SpliceReport
        {
            At = to ?? at,
            CeClean = losses.Ce(0),
            CeSpliced = losses.Ce(1),
            CeSplicedDelta = losses.Ce(delta),
            CeZeroAblated = losses.Ce(2),
            CeMeanAblated = losses.Ce(3),
            KlSpliced = losses.Kl(1),
            KlSplicedDelta = losses.Kl(delta),
            KlZeroAblated = losses.Kl(2),
            KlMeanAblated = losses.Kl(3),
            Reconstruction = statistics.Report(),
        };

        Tensor Target(HookState state, int[][] batch) =>
            Tokens(to is { } written ? model.Activations(written, ValidTokens.Padded(batch)) : state.Activation, batch);
    }

    private static Tensor Tokens(Tensor activation, int[][] contexts) => ValidTokens.Of(activation, contexts).to(ScalarType.Float32);
}
