using Parsimony.Autoencoders;
using Parsimony.Models;
using Parsimony.Splicing;
using static TorchSharp.torch;

namespace Parsimony.Evaluation;

/// <summary>One bar of the article's figure; losses in nats per token.</summary>
/// <param name="Layer">Layer, 0-based.</param>
/// <param name="CeSpliced">Loss with the SAE's reconstruction in place of this layer's activation.</param>
/// <param name="CeZeroAblated">Loss with zeros in its place.</param>
public sealed record LayerLoss(int Layer, double CeSpliced, double CeZeroAblated);

/// <summary>
/// The SAE inserted at every layer's same site, one at a time: the article's figure of an SAE at the layer it was trained for and at
/// all the wrong ones.
/// </summary>
public static class LayerSweep
{
    /// <summary>The article's protocol on contexts that do not overlap; see the other overload.</summary>
    /// <param name="model">The model.</param>
    /// <param name="site">The site inside each layer, as wide as the SAE's d_model.</param>
    /// <param name="sae">The SAE.</param>
    /// <param name="contexts">Token contexts, of 2 tokens or more each.</param>
    /// <param name="batchContexts">Contexts per forward pass, 1 or more.</param>
    /// <param name="progress">Told after every batch; a batch is done when all layers are.</param>
    /// <param name="cancellation">Ends the measurement between two batches.</param>
    /// <exception cref="ArgumentException">No contexts, one of a single token, or an SAE of the wrong width.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static IReadOnlyList<LayerLoss> Run(
        Transformer model, HookSite site, ISparseAutoencoder sae, IReadOnlyList<int[]> contexts, int batchContexts = 8,
        IProgress<EvaluationProgress>? progress = null, CancellationToken cancellation = default) =>
        Run(model, site, sae, EvaluationWindows.Article(contexts), batchContexts, null, progress, cancellation);

    /// <summary>Measures every layer. The plain model runs once, from insertion to insertion; each insertion costs the layers above it: see <see cref="LayerSweepCost"/>.</summary>
    /// <param name="model">The model.</param>
    /// <param name="site">The site inside each layer, as wide as the SAE's d_model.</param>
    /// <param name="sae">The SAE.</param>
    /// <param name="windows">The text under a protocol.</param>
    /// <param name="batchWindows">Windows per forward pass, 1 or more.</param>
    /// <param name="checkpoint">Where it goes on, and where it is saved every so often; null: nowhere.</param>
    /// <param name="progress">Told after every batch; a batch is done when all layers are.</param>
    /// <param name="cancellation">Ends the measurement between two batches.</param>
    /// <exception cref="ArgumentException">An SAE of the wrong width.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static IReadOnlyList<LayerLoss> Run(
        Transformer model, HookSite site, ISparseAutoencoder sae, EvaluationWindows windows, int batchWindows = 8,
        EvaluationCheckpoint? checkpoint = null, IProgress<EvaluationProgress>? progress = null, CancellationToken cancellation = default)
    {
        var batches = new EvaluationBatches(windows, batchWindows, ["layers"], progress, checkpoint, cancellation);
        SpliceFit.Ensure(model, new HookPoint(0, site), sae);
        var layers = Enumerable.Range(0, model.Config.NLayers).Select(layer => new HookPoint(layer, site))
            .Select(at => (At: at, Losses: batches.Keep($"{at.Layer}", new VariantLosses(model, [Taps.Splice(at, sae), Taps.ZeroAblate(at)], divergence: false)))).ToList();
        using var noGradient = no_grad();
        foreach (var batch in batches.Each("layers"))
        {
            using var tokens = ValidTokens.Padded(batch);
            using var scope = NewDisposeScope();
            HookState? state = null;
            foreach (var (at, losses) in layers)
            {
                using var before = state;
                state = before is null ? model.RunTo(at, tokens) : model.RunTo(at, before);
                losses.Add(state, batch);
            }
        }
        return [.. layers.Select(l => new LayerLoss(l.At.Layer, l.Losses.Ce(0), l.Losses.Ce(1)))];
    }
}
