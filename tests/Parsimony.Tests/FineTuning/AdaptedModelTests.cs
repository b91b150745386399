using Parsimony.Autoencoders;
using Parsimony.FineTuning;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tests.Splicing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning;

/// <summary>Named adapters, merged and compiled ones.</summary>
public sealed class AdaptedModelTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Transformer model = Some.Model();
    private readonly StandardSae sae = TinySae.Random();
    private readonly AdaptedModel adapted;
    private readonly Tensor tokens = Some.Tokens();

    public AdaptedModelTests() => adapted = new AdaptedModel(model);

    /// <summary>Dials of which every fourth latent's are away from rest.</summary>
    private static FeatureDials Dials(int seed, int every = 4)
    {
        using var inner = NewDisposeScope();
        var some = (arange(TinySae.DSae) % every).eq(0);
        return FeatureDials.Of(TinySae.At, where(some, 1 + Drawn.Normal(seed, TinySae.DSae) * 0.4, 1), where(some, Drawn.Normal(seed + 100, TinySae.DSae) * 0.2, 0));
    }

    private DialAdapter Adapter(int seed, SpliceMode mode = SpliceMode.Delta) => DialAdapter.Of(model, [new(TinySae.At, sae)], [Dials(seed)], new() { Mode = mode });

    private Tensor Logits() => model.Forward(tokens, adapted.Tap());

    [Fact]
    public void The_first_one_attached_acts_until_another_is_set_active_or_all_are_disabled()
    {
        var plain = model.Forward(tokens);
        Assert.True(Logits().SameBits(plain));
        adapted.Attach("a", Adapter(1));
        adapted.Attach("b", Adapter(2));
        var a = model.Forward(tokens, adapted["a"].Tap());
        Assert.True(Logits().SameBits(a));
        adapted.SetActive("b");
        Assert.False(Logits().SameBits(a));
        using (adapted.Disable())
        {
            using (adapted.Disable()) { }
            Assert.True(Logits().SameBits(plain));
            Assert.All(adapted.Status(), s => Assert.Equal(0, s.Weight));
        }
        adapted.SetActive("a");
        Assert.True(Logits().SameBits(a));
        Assert.Equal([("a", 1.0, 10L), ("b", 0.0, 10L)], adapted.Status().Select(s => (s.Name, s.Weight, s.LatentsChanged!.Value)));
        adapted.Detach("a");
        Assert.True(Logits().SameBits(plain));
        Assert.Contains("no adapter 'a' is attached; there are: b.", Assert.Throws<ArgumentException>(() => adapted.SetActive("a")).Message, StringComparison.Ordinal);
        Assert.Contains("'b' is attached already", Assert.Throws<ArgumentException>(() => adapted.Attach("b", adapted["b"])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Several_act_as_their_weighted_sum_which_can_be_kept_as_one()
    {
        adapted.Attach("a", Adapter(1));
        adapted.Attach("b", Adapter(2));
        adapted.SetActive(new Dictionary<string, double> { ["a"] = 0.5, ["b"] = -1 });
        var together = Logits();
        var (a, b) = (((DialAdapter)adapted["a"]).Dials[0], ((DialAdapter)adapted["b"]).Dials[0]);
        var byHand = Taps.Splice(TinySae.At, sae, SpliceMode.Delta, 1 + 0.5 * a.Gamma - b.Gamma, 0.5 * a.Shift() - b.Shift());
        Assert.True(TinySae.Distance(together, model.Forward(tokens, byHand)) < 1e-6);
        adapted.AddWeighted("sum", new Dictionary<string, double> { ["a"] = 0.5, ["b"] = -1 });
        adapted.SetActive("sum");
        Assert.True(TinySae.Distance(together, Logits()) < 1e-5);
        adapted.SetActive(new Dictionary<string, double> { ["a"] = 0 });
        Assert.True(TinySae.Distance(Logits(), model.Forward(tokens)) < 1e-6);
    }

    [Fact]
    public void What_cannot_act_together_is_refused()
    {
        adapted.Attach("delta", Adapter(1));
        adapted.Attach("replace", Adapter(2, SpliceMode.Replace));
        Assert.Contains("in one mode", Assert.Throws<ArgumentException>(() => adapted.SetActive("delta", "replace")).Message, StringComparison.Ordinal);
        Assert.Contains("allowed are dials in replace mode", Assert.Throws<ArgumentException>(() => adapted.Merge("delta")).Message, StringComparison.Ordinal);
        adapted.SetActive("replace");
        adapted.Merge("replace");
        Assert.Contains("Unmerge it first", Assert.Throws<ArgumentException>(() => adapted.SetActive(new Dictionary<string, double> { ["replace"] = 0.5 })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Merged_it_does_the_same_and_unmerged_it_is_what_it_was_bit_by_bit()
    {
        adapted.Attach("a", Adapter(1, SpliceMode.Replace));
        var before = Logits();
        adapted.Merge("a");
        Assert.True(adapted.Status()[0].IsMerged);
        Assert.InRange(TinySae.Distance(before, Logits()), 0, 1e-5);
        adapted.Unmerge("a");
        Assert.True(Logits().SameBits(before));
    }

    [Fact]
    public void A_merge_that_rounding_would_swallow_is_refused()
    {
        using var small = FeatureDials.Of(TinySae.At, ones(TinySae.DSae) + 1e-3f, zeros(TinySae.DSae));
        string refusal = Assert.Throws<InvalidOperationException>(() => DialMerge.Into(sae, small, ScalarType.BFloat16)).Message;
        Assert.Contains("of what the dials change; allowed is 0.1 %. Merge in Float32", refusal, StringComparison.Ordinal);
        using var exact = DialMerge.Into(sae, small, ScalarType.Float32);
        using var rest = new FeatureDials(TinySae.At, TinySae.DSae);
        using var unchanged = DialMerge.Into(sae, rest, ScalarType.BFloat16);
        Assert.True(unchanged.Weights["W_enc"].to(ScalarType.BFloat16).to(ScalarType.Float32).SameBits(unchanged.Weights["W_enc"]));

        // Where the SAE is exact in bfloat16 and scales are powers of two, nothing is lost.
        using var coarse = new StandardSae(sae.WEnc.to(ScalarType.BFloat16).to(ScalarType.Float32), sae.WDec, sae.BEnc.to(ScalarType.BFloat16).to(ScalarType.Float32), sae.BDec);
        using var twice = FeatureDials.Of(TinySae.At, ones(TinySae.DSae) * 2, zeros(TinySae.DSae));
        using var kept = DialMerge.Into(coarse, twice, ScalarType.BFloat16);
        Assert.True(kept.Weights["W_enc"].SameBits(coarse.WEnc * 2));
    }

    [Theory]
    [InlineData("standard")]
    [InlineData("jumprelu")]
    public void Compiled_to_its_changed_latents_it_does_the_same_without_the_sae(string architecture)
    {
        ISparseAutoencoder of = architecture == "standard" ? sae : new JumpReluSae(sae.WEnc, sae.WDec, sae.BEnc, sae.BDec, full(TinySae.DSae, 0.1f));
        using var dials = Dials(3);
        using var compiled = CompiledDials.Of(of, dials);
        Assert.Equal(Enumerable.Range(0, 10).Select(i => 4 * i), compiled.Latents);
        Assert.Equal(10, compiled.Sae.DSae);
        var (whole, few) = (model.Forward(tokens, dials.Splice(of, SpliceMode.Delta)), model.Forward(tokens, compiled.Tap()));
        Assert.InRange(TinySae.Distance(whole, few), 0, 1e-5);
        Assert.True(TinySae.Distance(whole, model.Forward(tokens)) > 1e-2);
        using var rest = new FeatureDials(TinySae.At, TinySae.DSae);
        Assert.Contains("nothing to compile", Assert.Throws<ArgumentException>(() => CompiledDials.Of(of, rest)).Message, StringComparison.Ordinal);
        if (!ReferenceEquals(of, sae)) of.Dispose();
    }

    [Fact]
    public void Parameters_are_counted_in_pefts_words()
    {
        Assert.Equal("trainable params: 32,768 || all params: 6,991,572,992 || trainable%: 0.0005", AdaptedModel.Line(32_768, 6_857_302_016 + 134_238_208 + 32_768));
        adapted.Attach("a", Adapter(1));
        long saes = 2 * 16 * 40 + 40 + 16, all = ModelTensors.Of(model.Config).Sum(t => t.Elements) + saes + 80;
        Assert.StartsWith($"trainable params: 80 || all params: {all:N0} || ", adapted.TrainableParameters(), StringComparison.Ordinal);
    }

    [Fact]
    public void No_tensor_is_left_behind()
    {
        void Once()
        {
            using var inner = NewDisposeScope();
            using var those = new AdaptedModel(model);
            those.Attach("a", Adapter(1, SpliceMode.Replace));
            those.Attach("b", Adapter(2, SpliceMode.Replace));
            those.AddWeighted("c", new Dictionary<string, double> { ["a"] = 1, ["b"] = 1 });
            those.Merge("a");
            using var dials = Dials(3);
            using var compiled = CompiledDials.Of(sae, dials);
        }
        Once();
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        Once();
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    public void Dispose()
    {
        foreach (var owned in (IDisposable[])[adapted, sae, model, scope]) owned.Dispose();
    }
}
