using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>The way through the layers, from hook point to hook point, with a tap called at each.</summary>
internal sealed class LayerWalk(IModelConfig config, ModelParts parts)
{
    /// <summary>A pass that stands in front of a layer, <c>[batch, seq, d_model]</c>.</summary>
    public static HookState Entering(int layer, Tensor x) => new(new(layer, HookSite.ResidPre), x, null);

    /// <summary>Walks from hook point to hook point, through as many layers as lie between.</summary>
    public HookState To(HookPoint to, HookState from, Positions positions, Tap? tap)
    {
        while (from.At.Layer < to.Layer)
        {
            int layer = from.At.Layer;
            from = Entering(layer + 1, FinishLayer(from, positions, tap, null));
            parts.Done(layer);
        }
        return Advance(from, to.Site, positions, tap, null);
    }

    /// <summary>What leaves a layer, from any hook point in it.</summary>
    public Tensor FinishLayer(HookState from, Positions positions, Tap? tap, KvCache? cache)
    {
        using var scope = NewDisposeScope();
        var x = from.At.Site == HookSite.ResidPost ? from.Activation.alias() : Advance(from, HookSite.ResidPost, positions, tap, cache).Activation;
        return Touch(tap, from.At.Layer, HookSite.ResidPost, x).MoveToOuterDisposeScope();
    }

    /// <summary>Walks one layer from site to site.</summary>
    private HookState Advance(HookState from, HookSite to, Positions positions, Tap? tap, KvCache? cache)
    {
        int layer = from.At.Layer;
        var (h, residual, gated) = (from.Activation, from.Residual, from.Gated);
        var w = parts.Layer(layer);
        for (var site = from.At.Site; site < to; site++)
        {
            h = Touch(tap, layer, site, h);
            switch (site)
            {
                case HookSite.ResidPre:
                    (residual, h) = (h, w.Attention(h, positions, cache, layer));
                    break;
                case HookSite.AttnOut:
                    var sum = residual! + h;
                    (residual, h) = (sum, w.MlpIn(config.ParallelResidual ? residual! : sum));
                    break;
                case HookSite.MlpIn:
                    (h, gated) = w.MlpPre(h);
                    break;
                case HookSite.MlpPre:
                    (h, gated) = (w.MlpPost(h, gated), null);
                    break;
                case HookSite.MlpPost:
                    h = w.MlpOut(h);
                    break;
                case HookSite.MlpOut:
                    (residual, h) = (null, residual! + h);
                    break;
            }
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
