using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>The way through the layers, from hook point to hook point, with a tap called at each.</summary>
internal sealed class LayerWalk(IModelConfig config, ModelParts parts)
{
    /// <summary>The tap that belongs to the model, where it acts, and where it only reads for what it does later; null: none does. An activation is what it returned, wherever a pass halts.</summary>
    public (Tap Tap, IReadOnlySet<HookPoint> At, IReadOnlySet<HookPoint> Reads)? Attached { get; set; }

    /// <summary>A pass that stands in front of a layer, <c>[batch, seq, d_model]</c>.</summary>
    public HookState Entering(int layer, Tensor x, Positions positions)
    {
        var own = Own(layer, HookSite.ResidPre, x);
        if (!ReferenceEquals(own, x)) positions.Distinct = null;
        return new(new(layer, HookSite.ResidPre), own, null);
    }

    /// <summary>An activation as the attached tap leaves it.</summary>
    public Tensor Own(int layer, HookSite site, Tensor x) => IsAttached(layer, site) ? Touch(Attached!.Value.Tap, layer, site, x) : x;

    /// <summary>Refuses to halt where another pass might come between what the attached tap read and what it makes of it.</summary>
    /// <returns>The hook point.</returns>
    public HookPoint MayHalt(HookPoint at) => Attached?.Reads.Contains(at) != true ? at : throw new InvalidOperationException(
        $"the adapter that is attached to the model reads at {at} what it adds later in the layer, so a pass cannot be halted there. Halt at another hook point, such as {at with { Site = HookSite.MlpOut }}.");

    private bool IsAttached(int layer, HookSite site) => Attached?.At.Contains(new(layer, site)) == true;

    /// <summary>Walks from hook point to hook point, through as many layers as lie between.</summary>
    public HookState To(HookPoint to, HookState from, Positions positions, Tap? tap)
    {
        while (from.At.Layer < to.Layer)
        {
            using var before = from.Activation;
            int layer = from.At.Layer;
            from = Entering(layer + 1, FinishLayer(from, positions, tap, null), positions);
            parts.Done(layer);
        }
        return Advance(from, to.Site, positions, tap, null);
    }

    /// <summary>What leaves a layer, from any hook point in it; the caller's, who may let it go once the next layer has been run.</summary>
    public Tensor FinishLayer(HookState from, Positions positions, Tap? tap, KvCache? cache)
    {
        using var scope = NewDisposeScope();
        var x = from.At.Site == HookSite.ResidPost ? from.Activation.alias() : Advance(from, HookSite.ResidPost, positions, tap, cache).Activation;
        var touched = Touch(tap, from.At.Layer, HookSite.ResidPost, x);
        return (ReferenceEquals(x, touched) ? x : touched.alias()).MoveToOuterDisposeScope(); // what a tap returns stays the tap's
    }

    /// <summary>The same of a layer as a whole.</summary>
    public Tensor Layer(int layer, Tensor entering, Positions positions, Tap? tap, KvCache? cache = null) => FinishLayer(Entering(layer, entering, positions), positions, tap, cache);

    /// <summary>Walks one layer from site to site.</summary>
    private HookState Advance(HookState from, HookSite to, Positions positions, Tap? tap, KvCache? cache)
    {
        int layer = from.At.Layer;
        var (h, residual, gated) = (from.Activation, from.Residual, from.Gated);
        var w = parts.Layer(layer);

        // In the first layer, until a tap changes something: the same for each different token, while h is only made where somebody looks.
        var distinct = layer == 0 && from.At.Site == HookSite.ResidPre ? positions.Distinct : null;
        Tensor? few = distinct?.Rows(h), fewEntering = null, fewGated = null;
        for (var site = from.At.Site; site < to; site++)
        {
            var touched = Touch(tap, layer, site, h);
            if (!ReferenceEquals(touched, h)) few = null;
            h = touched;
            bool isSeen = tap is not null || site + 1 == to || IsAttached(layer, site + 1) || few is null;
            switch (site)
            {
                case HookSite.ResidPre:
                    (residual, fewEntering) = (h, config.ParallelResidual ? few : null);
                    if (few is not null) few = w.AttnIn(few);
                    if (isSeen) h = few is null ? w.AttnIn(h) : distinct!.Spread(few);
                    break;
                case HookSite.AttnIn:
                    h = few is null ? w.AttnQkv(h) : distinct!.Spread(w.AttnQkv(few));
                    few = null;
                    break;
                case HookSite.AttnQkv:
                    h = w.AttnZ(h, positions, cache, layer);
                    break;
                case HookSite.AttnZ:
                    h = w.AttnOut(h);
                    break;
                case HookSite.AttnOut:
                    var sum = residual! + h;
                    few = fewEntering is null ? null : w.MlpIn(fewEntering);
                    (residual, h) = (sum, few is not null ? distinct!.Spread(few) : w.MlpIn(config.ParallelResidual ? residual! : sum));
                    break;
                case HookSite.MlpIn:
                    if (few is null) (h, gated) = w.MlpPre(h);
                    else
                    {
                        (few, fewGated) = w.MlpPre(few);
                        if (isSeen) (h, gated) = (distinct!.Spread(few), fewGated is null ? null : distinct.Spread(fewGated));
                    }
                    break;
                case HookSite.MlpPre:
                    if (few is not null) few = w.MlpPost(few, fewGated);
                    if (isSeen) h = few is null ? w.MlpPost(h, gated) : distinct!.Spread(few);
                    gated = null;
                    break;
                case HookSite.MlpPost:
                    if (few is not null) few = w.MlpOut(few);
                    h = few is null ? w.MlpOut(h) : distinct!.Spread(few);
                    break;
                case HookSite.MlpOut:
                    (residual, h) = (null, residual! + h);
                    break;
            }
            var own = Own(layer, site + 1, h);
            if (!ReferenceEquals(own, h)) few = null;
            h = own;
        }
        return new HookState(new(layer, to), h, residual, gated);
    }

    private static Tensor Touch(Tap? tap, int layer, HookSite site, Tensor x)
    {
        if (tap is null) return x;
        var y = tap(new HookPoint(layer, site), x);
        return ReferenceEquals(x, y) || y.shape.AsSpan().SequenceEqual(x.shape) ? y : throw new InvalidOperationException(
            $"the tap at {new HookPoint(layer, site)} returned [{string.Join(", ", y.shape)}]; expected [{string.Join(", ", x.shape)}].");
    }
}
