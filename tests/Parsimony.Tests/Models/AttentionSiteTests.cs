using Parsimony.Models;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Parsimony.Tests.Models;

/// <summary>What stands at the hook points inside attention, from the weights by hand.</summary>
public sealed class AttentionSiteTests : IDisposable
{
    private const int Layer = 1;
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly IDisposable noGradient = no_grad();

    public static TheoryData<string> Families => [.. SomeFamily.All];

    [Theory, MemberData(nameof(Families))]
    public void Each_site_of_attention_is_what_the_weights_make_of_the_one_before(string family)
    {
        var config = SomeFamily.Config(family);
        using var weights = SomeFamily.Weights(config);
        using var model = SomeFamily.Model(family);
        var seen = new Dictionary<HookSite, Tensor>();
        var tokens = Some.Tokens();
        model.Forward(tokens, (at, x) =>
        {
            if (at.Layer == Layer) seen[at.Site] = x.clone().MoveToOuterDisposeScope().DetachFromDisposeScope();
            return x;
        });
        foreach (var t in seen.Values) scope.Attach(t);

        var byHand = SomeFamily.ByHand(config, weights, Layer);
        Close(byHand.Norm(seen[HookSite.ResidPre]), seen[HookSite.AttnIn]);
        Close(byHand.Qkv(seen[HookSite.AttnIn]), seen[HookSite.AttnQkv]);
        Close(byHand.Out(seen[HookSite.AttnZ]), seen[HookSite.AttnOut]);

        var values = byHand.Values(seen[HookSite.AttnQkv]); // [batch, heads, seq, d_head]
        var mixed = model.AttentionPattern(Layer, tokens).matmul(values).transpose(1, 2).flatten(2);
        Close(mixed, seen[HookSite.AttnZ]);
    }

    [Theory, MemberData(nameof(Families))]
    public void A_replacement_inside_attention_reaches_all_that_reads_it(string family)
    {
        using var model = SomeFamily.Model(family);
        var tokens = Some.Tokens();
        var plain = model.Forward(tokens);
        foreach (var site in (HookSite[])[HookSite.AttnIn, HookSite.AttnQkv, HookSite.AttnZ])
        {
            Tensor Change(HookPoint at, Tensor x) => at == new HookPoint(Layer, site) ? x * 0.5 : x;
            var whole = model.Forward(tokens, Change);
            Assert.False(plain.SameBits(whole), $"{family}, {site}");
            for (var to = site; to <= HookSite.ResidPost; to++)
                Assert.True(whole.SameBits(model.RunFrom(model.RunTo(new HookPoint(Layer, to), tokens, Change), Change)), $"{family}, {site} and {to}");
        }
    }

    [Fact]
    public void Attention_reads_the_keys_and_values_that_a_tap_left_when_they_are_cached_too()
    {
        using var model = SomeFamily.Model("llama");
        Tensor Change(HookPoint at, Tensor x) => at.Site == HookSite.AttnQkv ? x * 0.5 : x;
        int[][] prompts = [[1, 2, 3], [4, 5, 6, 7, 8]];
        var options = new SamplingOptions { MaxNewTokens = 12, Temperature = 0.8, Seed = 11 };
        var cached = Generation.Generate(model, prompts, options, Change);
        Assert.Equal(cached, Generation.Generate(model, prompts, options with { UseCache = false }, Change));
        Assert.NotEqual(cached, Generation.Generate(model, prompts, options));
    }

    [Fact]
    public void A_direction_in_the_mixed_values_goes_to_the_logits_through_the_output_projection()
    {
        using var model = Some.Model();
        using var weights = Some.Weights(Some.Config());
        var directions = randn(3, 16);
        var expected = model.DirectLogits(linear(directions, weights.Read("gpt_neox.layers.1.attention.dense.weight")));
        Close(expected, model.DirectLogits(new HookPoint(1, HookSite.AttnZ), directions)!);
        Assert.Null(model.DirectLogits(new HookPoint(1, HookSite.AttnIn), directions));
        Assert.Null(model.DirectLogits(new HookPoint(1, HookSite.AttnQkv), randn(3, 48)));
    }

    [Fact]
    public void Activations_inside_the_deepest_layers_attention_do_not_skip_it()
    {
        using var model = Some.Model();
        var tokens = Some.Tokens();
        HookPoint[] hooks = [new(1, HookSite.MlpPre), new(1, HookSite.AttnZ), new(1, HookSite.AttnIn)];
        var together = model.Activations(hooks, tokens);
        for (int i = 0; i < hooks.Length; i++) Assert.True(model.Activations(hooks[i], tokens).SameBits(together[i]), hooks[i].ToString());
    }

    private static void Close(Tensor expected, Tensor found)
    {
        Assert.Equal(expected.shape, found.shape);
        Assert.True((expected - found).abs().max().item<float>() < 1e-5);
    }

    public void Dispose()
    {
        noGradient.Dispose();
        scope.Dispose();
    }
}
