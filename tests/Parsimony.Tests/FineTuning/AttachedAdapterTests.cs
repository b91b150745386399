using Parsimony.Activations;
using Parsimony.FineTuning;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tests.FineTuning.Baselines;
using Parsimony.Tests.Models;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning;

public sealed class AttachedAdapterTests
{
    private static readonly HookPoint At = new(1, HookSite.MlpOut);

    private static IReadOnlyList<HookPoint> AllHooks => [.. Enumerable.Range(0, 3).SelectMany(layer => Enum.GetValues<HookSite>().Select(site => new HookPoint(layer, site)))];

    /// <summary>Dials, of several SAEs where that is asked for, or a baseline.</summary>
    private static IAdapter Adapter(string kind, Transformer model)
    {
        if (!kind.StartsWith("dials", StringComparison.Ordinal)) return SomeAdapter.Learnt(kind, model);
        using var scope = NewDisposeScope();
        using var generator = new Generator(9, CPU);
        SplicedSae[] saes = kind == "dials" ? [new(At, Some.Sae())] : [new(At, Some.Sae()), new(new(0, HookSite.ResidPre), Some.Sae(seed: 12)), new(new(2, HookSite.ResidPost), Some.Sae(seed: 13))];
        return DialAdapter.Of(model, saes, [.. saes.Select(s => FeatureDials.Of(s.At, 1 + 0.5 * randn(32, generator: generator), 0.2 * randn(32, generator: generator)))], new DialOptions());
    }

    private static FeatureDials AtRest() => FeatureDials.Of(At, ones(32), zeros(32));

    public static TheoryData<string, string> KindsAndFamilies => [.. from kind in (string[])["dials", "several dials", "lora", "full", "ia3", "some neurons"] from family in SomeAdapter.Families select (kind, family)];

    [Theory, MemberData(nameof(KindsAndFamilies))]
    public void A_tuned_model_is_the_model_with_its_adapter_at_every_hook_point_bit_by_bit(string kind, string family)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        using Transformer plain = SomeAdapter.Model(family), tuned = SomeAdapter.Model(family);
        using var adapter = Adapter(kind, plain);
        using var attached = new AttachedAdapter(tuned, Adapter(kind, tuned), "a sha");
        var tokens = Some.Tokens();
        var seen = new Dictionary<HookPoint, Tensor>();
        Tensor Read(HookPoint at, Tensor x)
        {
            scope.Attach(seen[at] = x.clone().DetachFromDisposeScope());
            return x;
        }
        var whole = plain.Forward(tokens, Taps.Chain(adapter.Tap(), Read));
        Assert.False(whole.SameBits(plain.Forward(tokens)));
        Assert.True(whole.SameBits(tuned.Forward(tokens)));
        foreach (var at in AllHooks)
        {
            Assert.True(seen[at].SameBits(tuned.Activations(at, tokens)), $"{at}");
            if (adapter.Reads.Contains(at))
            {
                Assert.Contains("a pass cannot be halted there", Assert.Throws<InvalidOperationException>(() => tuned.RunTo(at, tokens)).Message, StringComparison.Ordinal);
                continue;
            }
            var halted = tuned.RunTo(at, tokens);
            tuned.RunTo(at, Some.Tokens(batch: 1, seq: 5)).Dispose(); // another pass comes between
            Assert.True(seen[at].SameBits(halted.Activation), $"{at}");
            Assert.True(whole.SameBits(tuned.RunFrom(halted)), $"{at}");
        }
        var all = tuned.Activations(AllHooks, tokens);
        Assert.All(AllHooks.Zip(all), x => Assert.True(seen[x.First].SameBits(x.Second), $"{x.First}"));
    }

    [Fact]
    public void What_is_harvested_at_the_seam_itself_is_what_later_layers_see_and_with_identity_dials_the_plain_models_bit_by_bit()
    {
        using var scope = NewDisposeScope();
        using Transformer plain = Some.Model(), identity = Some.Model(), tuned = Some.Model();
        using var sae = Some.Sae();
        using var rest = new AttachedAdapter(identity, DialAdapter.Of(identity, [new(At, sae)], [AtRest()], new DialOptions()), "rest");
        using var real = new AttachedAdapter(tuned, DialAdapter.Of(tuned, [new(At, sae)], [FeatureDials.Of(At, full(32, 1.5f), full(32, 0.1f))], new DialOptions()), "real");
        HookPoint[] hooks = [new(0, HookSite.ResidPost), At, new(1, HookSite.ResidPost), new(2, HookSite.MlpOut)];
        Dictionary<HookPoint, Tensor> Harvested(Transformer model)
        {
            var source = new Harvester(model, hooks, Some.Contexts(), batchContexts: 4);
            var rows = hooks.ToDictionary(at => at, at => empty(6 * 12, source.Width(at)));
            source.Read([0, 1, 2, 3, 4, 5], rows, CancellationToken.None);
            return rows;
        }
        var (was, same, other) = (Harvested(plain), Harvested(identity), Harvested(tuned));
        foreach (var at in hooks) Assert.True(was[at].SameBits(same[at]), $"{at}");
        Assert.True(was[hooks[0]].SameBits(other[hooks[0]]));           // below the dials nothing differs
        foreach (var at in hooks[1..]) Assert.False(was[at].SameBits(other[at]), $"{at}");
        using var noGradient = no_grad();
        var turned = Taps.Splice(At, sae, SpliceMode.Delta, full(32, 1.5f), full(32, 0.1f))(At, was[At].view(6, 12, -1)).view(6 * 12, -1);
        Assert.True(turned.allclose(other[At], 1e-5, 1e-6));
    }

    [Fact]
    public void Learning_on_a_tuned_model_has_the_gradient_of_the_two_together()
    {
        using var scope = NewDisposeScope();
        using Transformer plain = Some.Model(), tuned = Some.Model();
        using var below = Adapter("lora", plain);
        using var attached = new AttachedAdapter(tuned, Adapter("lora", tuned), "a sha");
        using var sae = Some.Sae();
        using var dials = new DialAdapter(plain, [new(At, sae)], new DialOptions());
        var tokens = Some.Tokens();
        Tensor[] Gradients(Transformer model, Tap tap) => [.. autograd.grad([model.Forward(tokens, tap).square().sum()], [.. dials.Parameters.Values])];
        Tensor[] expected = Gradients(plain, Taps.Chain(below.Tap(), dials.Tap())), actual = Gradients(tuned, dials.Tap());
        Assert.All(expected.Zip(actual), g => Assert.True(g.First.SameBits(g.Second)));
        Assert.True(expected[0].abs().max().item<float>() > 0);
        using var recomputed = tuned.ResidualFrom(tuned.RunTo(At, tokens), dials.Tap(), ((IAdapter)dials).Layers());
        Assert.True(recomputed.SameBits(tuned.ResidualFrom(tuned.RunTo(At, tokens), dials.Tap())));
    }

    [Fact]
    public void A_second_adapter_and_one_that_acts_at_some_positions_only_are_refused()
    {
        using var model = Some.Model();
        using var sae = Some.Sae();
        using var prompts = new DialAdapter(model, [new(At, sae)], new DialOptions { Positions = TokenPositions.Prompt });
        Assert.Contains("a text has neither prompt nor response", Assert.Throws<ArgumentException>(() => new AttachedAdapter(model, prompts, "x")).Message, StringComparison.Ordinal);
        Assert.Null(model.AttachedSha256);
        using var attached = new AttachedAdapter(model, new DialAdapter(model, [new(At, sae)], new DialOptions()), "first");
        Assert.Equal("first", model.AttachedSha256);
        using var second = new DialAdapter(model, [new(At, sae)], new DialOptions());
        Assert.Contains("attached to the model already", Assert.Throws<InvalidOperationException>(() => new AttachedAdapter(model, second, "second")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void No_tensor_is_left_behind()
    {
        using var sae = Some.Sae();
        using Transformer first = Some.Model(), second = Some.Model();
        using (var tokens = Some.Tokens())
            foreach (var model in (Transformer[])[first, second]) model.Forward(tokens).Dispose(); // reads the weights
        Once(first);
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        Once(second);
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);

        void Once(Transformer model)
        {
            using var noGradient = no_grad();
            using var attached = new AttachedAdapter(model, DialAdapter.Of(model, [new(At, sae)], [Turned()], new DialOptions()), "x");
            using var tokens = Some.Tokens();
            for (int i = 0; i < 3; i++)
            {
                model.Forward(tokens).Dispose();
                model.Activations(At, tokens).Dispose();
                model.RunTo(new(2, HookSite.MlpOut), tokens).Dispose();
            }
        }
        static FeatureDials Turned()
        {
            using var scope = NewDisposeScope();
            return FeatureDials.Of(At, full(32, 1.5f), zeros(32));
        }
    }
}
