using Parsimony.Autoencoders;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tokens;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Evaluation;

/// <summary>Measures an SAE inside its model: losses plain, spliced and ablated, and how well and how sparsely it reconstructs.</summary>
public static class SpliceEvaluation
{
    /// <summary>Bytes of prefix states kept between the two passes unless the caller says otherwise: 1 GiB.</summary>
    public const long DefaultPrefixCacheBytes = 1L << 30;

    /// <summary>
    /// Two passes over the contexts: the first measures the activations and their mean, the second the loss of every variant. The
    /// layers below the hook are the same in all variants and run once. Sums are float64; the batch size does not change the result
    /// beyond float32 rounding in the model.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="at">Where the SAE goes; for a transcoder where it reads.</param>
    /// <param name="sae">The SAE.</param>
    /// <param name="contexts">Token contexts, all of one length of 2 or more.</param>
    /// <param name="batchContexts">Contexts per forward pass, 1 or more.</param>
    /// <param name="scale">Dials c, <c>[d_sae]</c>; with dials, every figure is that of the SAE under them.</param>
    /// <param name="shift">Dials d, <c>[d_sae]</c>.</param>
    /// <param name="prefixCacheBytes">Memory for the states below the hook; what does not fit is run twice.</param>
    /// <param name="to">Where a transcoder writes; null: the SAE is no transcoder. Ablations and means are of this point.</param>
    /// <param name="progress">Told after every batch.</param>
    /// <param name="cancellation">Ends the measurement between two batches.</param>
    /// <exception cref="ArgumentException">No contexts, unequal lengths, an SAE or dials of the wrong width, or a transcoder with dials.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static SpliceReport Run(
        GptNeoX model, HookPoint at, ISparseAutoencoder sae, IReadOnlyList<int[]> contexts, int batchContexts = 8,
        Tensor? scale = null, Tensor? shift = null, long prefixCacheBytes = DefaultPrefixCacheBytes, HookPoint? to = null,
        IProgress<EvaluationProgress>? progress = null, CancellationToken cancellation = default)
    {
        var batches = new EvaluationBatches(contexts, batchContexts, progress, cancellation);
        SpliceFit.Ensure(model, at, sae, to);
        if (to is not null && (scale ?? shift) is not null) throw new ArgumentException("a transcoder takes no dials here.");
        var replace = to is { } output ? Taps.Transcode(at, output, sae) : Taps.Splice(at, sae, SpliceMode.Replace, scale, shift);
        using var noGradient = no_grad();
        using var prefixes = new PrefixCache(model, at, prefixCacheBytes);

        using var statistics = new ReconstructionStatistics(sae, scale, shift);
        foreach (var batch in batches.Each("activations"))
        {
            using var scope = NewDisposeScope();
            if (to is not { } written) statistics.Add(prefixes.Batch(batch).Activation);
            else if (model.Activations([at, written], ContextPacker.ToTensor(batch)) is [var x, var y]) statistics.Add(x, y);
        }

        using var mean = statistics.Mean();
        var clean = new LossSum();
        var spliced = new LossSum(replace);
        var delta = to is null ? new LossSum(Taps.Splice(at, sae, SpliceMode.Delta, scale, shift)) : clean;
        var zero = new LossSum(Taps.ZeroAblate(to ?? at));
        var meaned = new LossSum(Taps.MeanAblate(to ?? at, mean));
        LossSum[] variants = scale is null && shift is null ? [clean, spliced, zero, meaned] : [clean, spliced, delta, zero, meaned];
        foreach (var batch in batches.Each("losses"))
        {
            using var scope = NewDisposeScope();
            var state = prefixes.Batch(batch);
            var tokens = ContextPacker.ToTensor(batch);
            foreach (var variant in variants) variant.Add(model, state, tokens);
        }

        return new SpliceReport
        {
            At = to ?? at,
            TokensSeen = batches.Tokens,
            CeClean = clean.Mean,
            CeSpliced = spliced.Mean,
            CeSplicedDelta = scale is null && shift is null ? clean.Mean : delta.Mean,
            CeZeroAblated = zero.Mean,
            CeMeanAblated = meaned.Mean,
            ExplainedVariance = statistics.ExplainedVariance,
            Sparsity = statistics.Sparsity(),
        };
    }
}
