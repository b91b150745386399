using Parsimony.FineTuning;
using Parsimony.FineTuning.Baselines;
using Parsimony.Models;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Baselines;

/// <summary>What is true of every adapter on every family.</summary>
public sealed class AdapterLawTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public static TheoryData<string, string> All => [.. from kind in SomeAdapter.Kinds from family in SomeAdapter.Families select (kind, family)];

    public static TheoryData<string> Kinds => [.. SomeAdapter.Kinds];

    [Theory, MemberData(nameof(All))]
    public void At_birth_it_is_bitwise_the_plain_model(string kind, string family)
    {
        using var model = SomeAdapter.Model(family);
        using var adapter = SomeAdapter.Make(kind, model);
        var tokens = Some.Tokens();
        using (no_grad()) Assert.True(model.Forward(tokens).SameBits(model.Forward(tokens, adapter.Tap())));
        Assert.True(model.Forward(tokens).SameBits(model.Forward(tokens, adapter.Tap())));
        Assert.Null(adapter.Rest());
    }

    [Theory, MemberData(nameof(All))]
    public void Its_gradient_is_the_finite_difference(string kind, string family)
    {
        using var model = SomeAdapter.Model(family);
        using var adapter = SomeAdapter.Learnt(kind, model);
        var tokens = Some.Tokens(batch: 1, seq: 8);
        Tensor Loss() => NextTokenLoss.Mean(model.Forward(tokens, adapter.Tap()), tokens);
        Tensor[] numbers = [.. adapter.Parameters.Values];
        var gradients = Gradients.Of(Loss(), numbers);
        using var noGradient = no_grad();
        using var generator = new Generator(4, CPU);
        for (int i = 0; i < numbers.Length; i++)
        {
            const double step = 2e-2;
            var direction = randn(numbers[i].shape, generator: generator) / Math.Sqrt(numbers[i].numel());
            numbers[i].add_(direction, step);
            double above = Loss().item<float>();
            numbers[i].add_(direction, -2 * step);
            double slope = (above - Loss().item<float>()) / (2 * step), predicted = (gradients[i] * direction).sum().item<float>();
            numbers[i].add_(direction, step);
            Assert.True(Math.Abs(slope - predicted) <= 0.02 * Math.Abs(predicted) + 1e-3, $"{adapter.Parameters.Keys.ElementAt(i)}: {slope} and {predicted}");
            Assert.True(gradients[i].abs().sum().item<float>() > 0, adapter.Parameters.Keys.ElementAt(i));
        }
    }

    [Theory, MemberData(nameof(All))]
    public void Cached_generation_is_uncached_generation(string kind, string family)
    {
        using var model = SomeAdapter.Model(family);
        using var adapter = SomeAdapter.Learnt(kind, model, 0.3);
        int[][] prompts = [[1, 2, 3], [4, 5, 6, 7, 8]];
        var options = new SamplingOptions { MaxNewTokens = 16, Temperature = 0.8, Seed = 11 };
        var cached = Generation.Generate(model, prompts, options, adapter.Tap());
        Assert.Equal(cached, Generation.Generate(model, prompts, options with { UseCache = false }, adapter.Tap()));
        Assert.NotEqual(cached, Generation.Generate(model, prompts, options));
    }

    [Theory, MemberData(nameof(All))]
    public void From_its_first_hook_on_it_is_the_whole_pass_and_layers_run_again_give_the_same_gradient(string kind, string family)
    {
        using var model = SomeAdapter.Model(family);
        using var adapter = SomeAdapter.Learnt(kind, model);
        var tokens = Some.Tokens();
        HookState state;
        using (no_grad()) state = model.RunTo(adapter.Hooks[0], tokens);
        Assert.True(model.Forward(tokens, adapter.Tap()).SameBits(model.RunFrom(state, adapter.Tap())));
        Tensor[] numbers = [.. adapter.Parameters.Values];
        float[][] Learn(IReadOnlySet<int>? tapped) =>
            [.. Gradients.Of(NextTokenLoss.Mean(model.Unembed(model.ResidualFrom(state, adapter.Tap(), tapped)), tokens), numbers).Select(g => g.Floats())];
        var plain = Learn(null);
        foreach (var (expected, again) in plain.Zip(Learn(adapter.Hooks.Select(at => at.Layer).ToHashSet()))) Assert.Equal(expected, again);
    }

    [Theory]
    [InlineData("lora", WeightStorage.Bf16)]
    [InlineData("full", WeightStorage.Int8)]
    [InlineData("ia3", WeightStorage.Int8)]
    public void It_learns_on_a_model_whose_matrices_are_kept_in_fewer_bits(string kind, WeightStorage storage)
    {
        var config = Some.Config();
        using var model = new Transformer(config, Some.Weights(config), storage: storage);
        using var adapter = SomeAdapter.Make(kind, model);
        var tokens = Some.Tokens();
        Assert.True(model.Forward(tokens).SameBits(model.Forward(tokens, adapter.Tap())));
        Tensor Loss() => NextTokenLoss.Mean(model.Forward(tokens, adapter.Tap()), tokens);
        Tensor[] numbers = [.. adapter.Parameters.Values];
        double before = Loss().item<float>();
        for (int step = 0; step < 10; step++)
        {
            using var inner = NewDisposeScope();
            var gradients = Gradients.Of(Loss(), numbers);
            using var noGradient = no_grad();
            foreach (var (number, gradient) in numbers.Zip(gradients)) number.add_(gradient, -0.1);
        }
        Assert.True(Loss().item<float>() < before - 0.02, $"{before} -> {Loss().item<float>()}");
    }

    [Theory, MemberData(nameof(Kinds))]
    public void Several_passes_layer_by_layer_are_what_each_is_alone(string kind)
    {
        using var model = Some.Model();
        using var adapter = SomeAdapter.Learnt(kind, model);
        var tokens = Some.Tokens();
        using var noGradient = no_grad();
        var state = model.RunTo(new HookPoint(0, HookSite.ResidPre), tokens);
        var tap = adapter.Tap();
        var passes = model.ResidualsFrom(state, [tap, null, adapter.Tap(), tap]);
        var (with, without) = (model.ResidualFrom(state, adapter.Tap()), model.ResidualFrom(state));
        Assert.True(passes[0].SameBits(with) && passes[1].SameBits(without) && passes[2].SameBits(with) && passes[3].SameBits(with));
        Assert.False(with.SameBits(without));
    }

    [Theory, MemberData(nameof(Kinds))]
    public void It_acts_at_its_hooks_and_at_the_tokens_that_are_meant_and_nowhere_else(string kind)
    {
        using var model = Some.Model();
        using var adapter = SomeAdapter.Learnt(kind, model);
        var tokens = Some.Tokens();
        var (tap, changed) = (adapter.Tap(), new List<HookPoint>());
        using var noGradient = no_grad();
        model.Forward(tokens, (at, x) =>
        {
            var y = tap(at, x);
            if (!ReferenceEquals(x, y)) changed.Add(at);
            return y;
        });
        Assert.Empty(changed.Except(adapter.Hooks));
        Assert.Equal(adapter.Hooks.OrderBy(at => (at.Layer, at.Site)), adapter.Hooks);
        Assert.Equal(adapter.Hooks.Select(at => at.Layer).Distinct(), changed.Select(at => at.Layer).Distinct());

        var where = zeros([2, 12], ScalarType.Bool);
        where[1, 7] = tensor(true);
        var (plain, some, all) = (model.Forward(tokens), model.Forward(tokens, adapter.Tap(where)), model.Forward(tokens, adapter.Tap()));
        Assert.True(plain[0].SameBits(some[0]) && plain[1].narrow(0, 0, 7).SameBits(some[1].narrow(0, 0, 7)));
        Assert.False(plain[1, 7].SameBits(some[1, 7]));
        Assert.False(all.SameBits(some));
        Assert.True(all.SameBits(model.Forward(tokens, adapter.Tap(ones([2, 12], ScalarType.Bool)))));
        Assert.Contains("Expected [batch, seq] of the same pass", Assert.Throws<ArgumentException>(() => model.Forward(tokens, adapter.Tap(ones([1, 12], ScalarType.Bool)))).Message, StringComparison.Ordinal);
    }

    [Theory, MemberData(nameof(Kinds))]
    public void A_pass_that_is_halted_and_goes_on_is_the_whole_pass(string kind)
    {
        using var model = Some.Model();
        using var adapter = SomeAdapter.Learnt(kind, model);
        var tokens = Some.Tokens();
        using var noGradient = no_grad();
        var whole = model.Forward(tokens, adapter.Tap());
        foreach (var site in Enum.GetValues<HookSite>())
        {
            var tap = adapter.Tap();
            Assert.True(whole.SameBits(model.RunFrom(model.RunTo(new HookPoint(2, site), tokens, tap), tap)), $"{site}");
        }
    }

    [Theory, MemberData(nameof(Kinds))]
    public void It_leaves_no_tensor_behind(string kind)
    {
        using var model = Some.Model();
        using var adapter = SomeAdapter.Learnt(kind, model);
        var tokens = Some.Tokens();
        Tensor[] numbers = [.. adapter.Parameters.Values];
        void Once()
        {
            using var step = NewDisposeScope();
            Gradients.Of(NextTokenLoss.Mean(model.Forward(tokens, adapter.Tap()), tokens), numbers);
            using var noGradient = no_grad();
            model.Forward(tokens, adapter.Tap());
            Generation.Generate(model, [[1, 2]], new SamplingOptions { MaxNewTokens = 3 }, adapter.Tap());
        }
        Once();
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        for (int i = 0; i < 3; i++) Once();
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
        var made = SomeAdapter.Make(kind, model);
        made.Tap();
        made.Dispose();
        GC.KeepAlive(made);
    }

    [Theory, MemberData(nameof(Kinds))]
    public void Its_numbers_are_float32_with_gradient_and_all_are_counted(string kind)
    {
        using var model = Some.Model();
        using var adapter = SomeAdapter.Make(kind, model, TokenPositions.Response);
        Assert.All(adapter.Parameters.Values, t => Assert.True(t.requires_grad && t.dtype == ScalarType.Float32));
        Assert.Equal(adapter.TrainableParameters, adapter.Parameters.Values.Sum(t => t.numel()));
        Assert.Equal(TokenPositions.Response, adapter.Positions);
        using var other = SomeAdapter.Make(kind, model);
        Assert.NotEqual(adapter.Identity, other.Identity);
        Assert.Equal(adapter.Method, adapter.Identity["method"]);
    }

    [Fact]
    public void Making_and_disposing_leaves_no_tensor_behind()
    {
        using var model = Some.Model();
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        foreach (string kind in SomeAdapter.Kinds) SomeAdapter.Make(kind, model).Dispose();
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void A_pass_that_begins_behind_what_an_adapter_reads_is_refused_and_halting_there_keeps_one_tensor_at_most()
    {
        using var model = Some.Model();
        using var lora = new LoraAdapter(model, [1], [LinearTarget.Qkv], 2);
        var tokens = Some.Tokens();
        var between = new HookPoint(1, HookSite.AttnQkv);
        var tap = lora.Tap();
        void Halt()
        {
            using var inner = NewDisposeScope();
            model.RunTo(between, tokens, tap);
        }
        Halt();
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        for (int i = 0; i < 3; i++) Halt();
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
        var state = model.RunTo(between, tokens);
        var error = Assert.Throws<InvalidOperationException>(() => model.RunFrom(state, lora.Tap()));
        Assert.Contains("reached blocks.1.attn_qkv without passing blocks.1.attn_in", error.Message, StringComparison.Ordinal);
    }

    public void Dispose() => scope.Dispose();
}
