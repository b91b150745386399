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

    /// <summary>The article's protocol on contexts that do not overlap; see the other overload.</summary>
    /// <param name="model">The model.</param>
    /// <param name="at">Where the SAE goes; for a transcoder where it reads.</param>
    /// <param name="sae">The SAE.</param>
    /// <param name="contexts">Token contexts, of 2 tokens or more each; they may differ in length.</param>
    /// <param name="batchContexts">Contexts per forward pass, 1 or more.</param>
    /// <param name="scale">Dials c, <c>[d_sae]</c>.</param>
    /// <param name="shift">Dials d, <c>[d_sae]</c>.</param>
    /// <param name="prefixCacheBytes">Memory for the states below the hook.</param>
    /// <param name="to">Where a transcoder writes; null: the SAE is no transcoder.</param>
    /// <param name="progress">Told after every batch.</param>
    /// <param name="cancellation">Ends the measurement between two batches.</param>
    /// <exception cref="ArgumentException">No contexts, one of a single token, an SAE or dials of the wrong width, or a transcoder with dials.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static SpliceReport Run(
        Transformer model, HookPoint at, ISparseAutoencoder sae, IReadOnlyList<int[]> contexts, int batchContexts = 8,
        Tensor? scale = null, Tensor? shift = null, long prefixCacheBytes = DefaultPrefixCacheBytes, HookPoint? to = null,
        IProgress<EvaluationProgress>? progress = null, CancellationToken cancellation = default) =>
        Run(model, at, sae, EvaluationWindows.Article(contexts), batchContexts, scale, shift, prefixCacheBytes, to, null, progress, cancellation);

    /// <summary>
    /// Two passes over the windows: the first measures the activations and their mean, the second the loss of every variant and its
    /// divergence from the plain model. The layers below the hook are the same in all variants and run once. Sums are float64; the batch
    /// size does not change the result beyond float32 rounding in the model. Padding counts nowhere, and a token of which several windows
    /// hold a copy counts once, in losses as in activations.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="at">Where the SAE goes; for a transcoder where it reads.</param>
    /// <param name="sae">The SAE.</param>
    /// <param name="windows">The text under a protocol.</param>
    /// <param name="batchWindows">Windows per forward pass, 1 or more.</param>
    /// <param name="scale">Dials c, <c>[d_sae]</c>; with dials, every figure is that of the SAE under them.</param>
    /// <param name="shift">Dials d, <c>[d_sae]</c>.</param>
    /// <param name="prefixCacheBytes">Memory for the states below the hook; what does not fit is run twice.</param>
    /// <param name="to">Where a transcoder writes; null: the SAE is no transcoder. Ablations, means and activations are of this point.</param>
    /// <param name="checkpoint">Where it goes on, and where it is saved every so often; null: nowhere.</param>
    /// <param name="progress">Told after every batch.</param>
    /// <param name="cancellation">Ends the measurement between two batches.</param>
    /// <exception cref="ArgumentException">An SAE or dials of the wrong width, or a transcoder with dials.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static SpliceReport Run(
        Transformer model, HookPoint at, ISparseAutoencoder sae, EvaluationWindows windows, int batchWindows = 8,
        Tensor? scale = null, Tensor? shift = null, long prefixCacheBytes = DefaultPrefixCacheBytes, HookPoint? to = null,
        EvaluationCheckpoint? checkpoint = null, IProgress<EvaluationProgress>? progress = null, CancellationToken cancellation = default)
    {
        var batches = new EvaluationBatches(windows, batchWindows, ["activations", "losses"], progress, checkpoint, cancellation);
        SpliceFit.Ensure(model, at, sae, to);
        bool withDials = scale is not null || shift is not null;
        if (to is not null && withDials) throw new ArgumentException("a transcoder takes no dials here.");
        var replace = to is { } output ? Taps.Transcode(at, output, sae) : Taps.Splice(at, sae, SpliceMode.Replace, scale, shift);
        using var noGradient = no_grad();
        using var prefixes = new PrefixCache(model, at, prefixCacheBytes);

        using var statistics = batches.Keep("statistics", new ReconstructionStatistics(sae));
        foreach (var batch in batches.Each("activations"))
        {
            using var scope = NewDisposeScope();
            var state = prefixes.Batch([.. batch.Select(w => w.Ids)]);
            var x = Tokens(state.Activation, batch);
            var f = Taps.Latents(sae, x, scale, shift);
            statistics.Add(Target(state, batch), to is null ? sae.Decode(f) : sae.Reconstruct(x), f);
        }

        using var mean = statistics.Mean();
        var losses = batches.Keep("losses", new VariantLosses(model,
        [
            null, replace, Taps.ZeroAblate(to ?? at), Taps.MeanAblate(to ?? at, mean),
            .. withDials ? (Tap[])[Taps.Splice(at, sae, SpliceMode.Delta, scale, shift)] : [],
        ]));
        foreach (var batch in batches.Each("losses"))
        {
            using var scope = NewDisposeScope();
            var state = prefixes.Batch([.. batch.Select(w => w.Ids)]);
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
            Predictions = losses.Predictions,
            Reconstruction = statistics.Report(),
        };

        Tensor Target(HookState state, EvaluationWindow[] batch) =>
            Tokens(to is { } written ? model.Activations(written, ValidTokens.Padded(batch)) : state.Activation, batch);
    }

    private static Tensor Tokens(Tensor activation, EvaluationWindow[] windows) => ValidTokens.Of(activation, windows).to(ScalarType.Float32);
}
