using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Baselines;

/// <summary>A linear map of one layer as the seam sees it: what goes in at one hook point, and what comes out at a later one.</summary>
/// <param name="Layer">Layer, 0-based.</param>
/// <param name="Target">Which map.</param>
internal readonly record struct LinearMap(int Layer, LinearTarget Target)
{
    public static readonly LinearTarget[] AllTargets = [LinearTarget.Qkv, LinearTarget.AttnOut, LinearTarget.MlpUp, LinearTarget.MlpDown];

    /// <summary>Where its input is.</summary>
    public HookPoint From => new(Layer, Target switch
    {
        LinearTarget.Qkv => HookSite.AttnIn,
        LinearTarget.AttnOut => HookSite.AttnZ,
        LinearTarget.MlpUp => HookSite.MlpIn,
        _ => HookSite.MlpPost,
    });

    /// <summary>Where its output is.</summary>
    public HookPoint To => new(Layer, Target switch
    {
        LinearTarget.Qkv => HookSite.AttnQkv,
        LinearTarget.AttnOut => HookSite.AttnOut,
        LinearTarget.MlpUp => HookSite.MlpPre,
        _ => HookSite.MlpOut,
    });

    /// <summary>The maps of some layers, in the order of the pass.</summary>
    public static IReadOnlyList<LinearMap> Of(IEnumerable<int> layers, IEnumerable<LinearTarget> targets) =>
        [.. from layer in layers.Order() from target in targets.Distinct().Order() select new LinearMap(layer, target)];

    public int Inputs(IModelConfig config) => config.Width(From.Site);

    public int Outputs(IModelConfig config) => config.Width(To.Site);

    /// <summary>Whether the model's own map has a bias.</summary>
    public bool HasBias(IModelConfig config) => config is not LlamaConfig llama || Target switch
    {
        LinearTarget.Qkv => llama.QueryKeyValueBias,
        LinearTarget.AttnOut => llama.AttentionOutputBias,
        _ => llama.MlpBias,
    };

    /// <summary>Adds to the output of each map what is made of its input. The input is kept from the one hook point to the other, over dispose scopes and nothing else: each pass leaves none behind.</summary>
    /// <param name="maps">Which.</param>
    /// <param name="where">Bool, <c>[batch, seq]</c>: the only tokens that are changed; null: all.</param>
    /// <param name="added">The index of a map and its input, <c>[batch, seq, in]</c>, to what is added, <c>[batch, seq, out]</c>.</param>
    public static Tap Adding(IReadOnlyList<LinearMap> maps, Tensor? where, Func<int, Tensor, Tensor> added)
    {
        var inputs = new Tensor?[maps.Count];
        var from = maps.Index().ToDictionary(m => m.Item.From, m => m.Index);
        var to = maps.Index().ToDictionary(m => m.Item.To, m => m.Index);
        return (at, x) =>
        {
            if (from.TryGetValue(at, out int reads))
            {
                inputs[reads]?.Dispose(); // of a pass that was halted in between
                inputs[reads] = x.alias().DetachFromDisposeScope();
            }
            if (!to.TryGetValue(at, out int writes)) return x;
            using var scope = NewDisposeScope();
            var input = inputs[writes] ?? throw new InvalidOperationException(
                $"the pass reached {at} without passing {maps[writes].From}, where this adapter reads. Go on from its first hook point, or from before.");
            inputs[writes] = null;
            scope.Attach(input);
            return Where(where, x, x + added(writes, input)).MoveToOuterDisposeScope();
        };
    }

    /// <summary>One at the tokens that are meant, the other elsewhere, bit by bit.</summary>
    /// <exception cref="ArgumentException">The tokens are not those of the pass.</exception>
    public static Tensor Where(Tensor? where, Tensor plain, Tensor changed)
    {
        if (where is null) return changed;
        if (!where.shape.AsSpan().SequenceEqual(plain.shape.AsSpan(0, plain.shape.Length - 1))) throw new ArgumentException(
            $"the tokens at which the adapter acts are [{string.Join(", ", where.shape)}]; the activation is [{string.Join(", ", plain.shape)}]. Expected [batch, seq] of the same pass.", nameof(where));
        return torch.where(where.to(plain.device).unsqueeze(-1), changed, plain);
    }

    /// <summary>The name of its numbers.</summary>
    public string Name(string what) => $"blocks.{Layer}.{Words.Of(Target)}.{what}";
}
