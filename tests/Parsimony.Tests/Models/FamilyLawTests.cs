using Parsimony.Models;
using Parsimony.Splicing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Models;

/// <summary>What is true of every family, whatever its weights.</summary>
public sealed class FamilyLawTests
{
    public static TheoryData<string> Families => [.. SomeFamily.All];

    [Theory, MemberData(nameof(Families))]
    public void Running_to_a_hook_and_on_from_it_is_running_whole_and_its_activation_is_what_a_tap_sees(string family)
    {
        using var model = SomeFamily.Model(family);
        using var nograd = no_grad();
        using var scope = NewDisposeScope();
        var tokens = Some.Tokens();
        var seen = new Dictionary<HookPoint, Tensor>();
        var whole = model.Forward(tokens, (at, x) => { seen[at] = x.clone().DetachFromDisposeScope(); return x; });
        Assert.Equal(3 * Enum.GetValues<HookSite>().Length, seen.Count);
        foreach (var (at, x) in seen)
        {
            Assert.True(whole.SameBits(model.RunFrom(model.RunTo(at, tokens))), $"{family}, {at}");
            Assert.True(x.SameBits(model.Activations(at, tokens)), $"{family}, {at}");
            Assert.Equal(model.Width(at.Site), x.size(2));
            x.Dispose();
        }
    }

    [Theory, MemberData(nameof(Families))]
    public void From_one_halt_to_a_later_one_is_bit_by_bit_the_pass_from_the_start(string family)
    {
        using var model = SomeFamily.Model(family);
        using var nograd = no_grad();
        using var scope = NewDisposeScope();
        var (tokens, all) = (Some.Tokens(), Enumerable.Range(0, 3).SelectMany(layer => Enum.GetValues<HookSite>().Select(site => new HookPoint(layer, site))).ToList());
        foreach (var from in all)
        {
            using var halt = model.RunTo(from, tokens).Keep();
            foreach (var to in all.SkipWhile(at => at != from).Skip(1))
            {
                int touched = 0;
                using var later = model.RunTo(to, halt, (at, x) => { touched++; return x; });
                using var direct = model.RunTo(to, tokens);
                Assert.True(direct.Activation.SameBits(later.Activation) && (direct.Residual is null || direct.Residual.SameBits(later.Residual!)), $"{family}, {from} to {to}");
                Assert.Equal(all.IndexOf(to) - all.IndexOf(from), touched);
            }
            Assert.True(halt.Activation.SameBits(model.RunTo(from, tokens).Activation)); // still the caller's
            Assert.Throws<ArgumentException>(() => model.RunTo(from, halt));
        }
    }

    [Theory, MemberData(nameof(Families))]
    public void A_replacement_before_a_hook_reaches_all_that_reads_it(string family)
    {
        using var model = SomeFamily.Model(family);
        using var nograd = no_grad();
        using var scope = NewDisposeScope();
        var tokens = Some.Tokens();
        Tensor Change(HookPoint at, Tensor x) => at == new HookPoint(1, HookSite.MlpIn) ? x * 0.5 : x;
        var whole = model.Forward(tokens, Change);
        Assert.False(whole.SameBits(model.Forward(tokens)));
        foreach (var site in Enum.GetValues<HookSite>().Where(s => s > HookSite.MlpIn))
            Assert.True(whole.SameBits(model.RunFrom(model.RunTo(new HookPoint(1, site), tokens, Change))), $"{family}, {site}"); // a gate's other branch too
    }

    [Theory, MemberData(nameof(Families))]
    public void What_a_halt_and_a_cache_take_is_known_from_the_shape(string family)
    {
        using var model = SomeFamily.Model(family);
        using var nograd = no_grad();
        using var scope = NewDisposeScope();
        var tokens = Some.Tokens();
        foreach (var site in Enum.GetValues<HookSite>())
        {
            using var state = model.RunTo(new HookPoint(1, site), tokens);
            Assert.Equal(state.Bytes, tokens.numel() * HookState.BytesPerToken(model.Config, state.At));
        }
        using var cache = new KvCache(model.Config, batch: 2, capacity: 5);
        var empty = zeros(2, model.Config.NKvHeads, 5, model.Config.DHead);
        long held = Enumerable.Range(0, model.Config.NLayers).Sum(layer => cache.Append(layer, empty, empty) is var (keys, values) ? keys.numel() + values.numel() : 0);
        Assert.Equal(held * sizeof(float), KvCache.Bytes(model.Config, 2, 5));
    }

    [Theory, MemberData(nameof(Families))]
    public void The_cache_changes_no_token(string family)
    {
        using var model = SomeFamily.Model(family);
        int[][] prompts = [[1, 2, 3], [4, 5, 6, 7, 8]];
        var options = new SamplingOptions { MaxNewTokens = 20, Temperature = 0.8, Seed = 11 };
        var cached = Generation.Generate(model, prompts, options);
        Assert.Equal(cached, Generation.Generate(model, prompts, options with { UseCache = false }));
        var greedy = options with { Temperature = 0 };
        Assert.Equal(Generation.Generate(model, [prompts[0]], greedy)[0], Generation.Generate(model, prompts, greedy)[0]); // padding on the left
    }

    [Theory, MemberData(nameof(Families))]
    public void The_gradient_at_every_site_is_the_finite_difference(string family)
    {
        using var model = SomeFamily.Model(family);
        using var scope = NewDisposeScope();
        var tokens = Some.Tokens(batch: 1, seq: 6);
        foreach (var site in Enum.GetValues<HookSite>())
        {
            var state = model.RunTo(new HookPoint(1, site), tokens);
            Tensor Loss(Tensor x) => NextTokenLoss.Mean(model.RunFrom(state with { Activation = x }), tokens);
            var leaf = state.Activation.detach().requires_grad_();
            Loss(leaf).backward();
            using var generator = new Generator(4, CPU);
            var direction = randn(leaf.shape, generator: generator);
            const double step = 1e-2;
            double slope = (Loss(state.Activation + direction * step) - Loss(state.Activation - direction * step)).item<float>() / (2 * step);
            double predicted = (leaf.grad! * direction).sum().item<float>();
            Assert.True(Math.Abs(slope - predicted) <= 0.02 * Math.Abs(predicted) + 2e-3, $"{family}, {site}: {slope} and {predicted}");
        }
    }

    [Theory, MemberData(nameof(Families))]
    public void Kept_states_of_every_site_have_the_logits_of_a_whole_pass(string family)
    {
        using var model = SomeFamily.Model(family);
        using var nograd = no_grad();
        using var scope = NewDisposeScope();
        foreach (var site in Enum.GetValues<HookSite>())
        {
            int[][] rows = [[1, 2, 3, 4], [5, 6, 7, 8]];
            using var cache = new PrefixCache(model, new HookPoint(1, site), 1 << 20);
            cache.Batch(rows).Dispose();
            var logits = model.RunFrom(cache.Batch(rows));
            var whole = model.Forward(tensor(new long[,] { { 1, 2, 3, 4 }, { 5, 6, 7, 8 } }));
            Assert.True((logits - whole).abs().max().item<float>() < 1e-4, $"{family}, {site}");
        }
    }

    [Theory, MemberData(nameof(Families))]
    public void Passes_leave_no_tensor_behind(string family)
    {
        using var model = SomeFamily.Model(family);
        using var tokens = Some.Tokens();
        model.Forward(tokens).Dispose(); // reads the weights
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        for (int i = 0; i < 3; i++)
        {
            model.Forward(tokens).Dispose();
            using var state = model.RunTo(new HookPoint(1, HookSite.MlpPre), tokens);
            model.RunFrom(state).Dispose();
            Generation.Generate(model, [[1, 2]], new SamplingOptions { MaxNewTokens = 3 });
        }
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void A_bias_of_the_values_adds_the_same_to_every_attention_output()
    {
        var config = SomeFamily.Config("qwen2");
        using var weights = SomeFamily.Weights(config);
        using var biased = new Transformer(config, SomeFamily.Weights(config));
        using var plain = new Transformer(config, new WithoutBias(SomeFamily.Weights(config), "model.layers.0.self_attn.v_proj.bias"));
        using var nograd = no_grad();
        using var scope = NewDisposeScope();
        var tokens = Some.Tokens();
        var at = new HookPoint(0, HookSite.AttnOut);
        // Attention weights sum to one, so a query's head gets its group's value bias whole.
        var bias = weights.Read("model.layers.0.self_attn.v_proj.bias").view(config.NKvHeads, config.DHead).repeat_interleave(config.NHeads / config.NKvHeads, 0).reshape(-1);
        var expected = weights.Read("model.layers.0.self_attn.o_proj.weight").mv(bias);
        var off = biased.Activations(at, tokens) - plain.Activations(at, tokens) - expected;
        Assert.True(off.abs().max().item<float>() < 1e-5);
    }

    private sealed class WithoutBias(IWeightSource inner, string name) : IWeightSource
    {
        public IReadOnlyCollection<string> Names => inner.Names;
        public string? Sha256 => null;
        public bool Contains(string tensor) => inner.Contains(tensor);
        public IReadOnlyList<long> Shape(string tensor) => inner.Shape(tensor);
        public Tensor Read(string tensor) => tensor == name ? zeros_like(inner.Read(tensor)) : inner.Read(tensor);
        public void Dispose() => inner.Dispose();
    }
}
