using Parsimony.Autoencoders;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tokens;
using TorchSharp;
using Xunit;
using static Parsimony.Tests.Splicing.TinySae;
using static TorchSharp.torch;

namespace Parsimony.Tests.Splicing;

public sealed class TapsTests : IDisposable
{
    private readonly Transformer model = Some.Model();
    private readonly StandardSae sae = TinySae.Random();
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Tensor tokens = ContextPacker.ToTensor(Some.Contexts(2));

    [Fact]
    public void Delta_mode_without_dials_is_bitwise_the_plain_model() =>
        Assert.True(model.Forward(tokens).SameBits(model.Forward(tokens, Taps.Splice(At, sae, SpliceMode.Delta))));

    [Fact]
    public void Delta_mode_with_identity_dials_is_bitwise_the_plain_model()
    {
        var tap = Taps.Splice(At, sae, SpliceMode.Delta, ones(DSae), zeros(DSae));
        Assert.True(model.Forward(tokens).SameBits(model.Forward(tokens, tap)));
    }

    [Fact]
    public void Identity_dials_in_replace_mode_are_bitwise_the_plain_splice()
    {
        var dialled = Taps.Splice(At, sae, SpliceMode.Replace, ones(DSae), zeros(DSae));
        Assert.True(model.Forward(tokens, Taps.Splice(At, sae)).SameBits(model.Forward(tokens, dialled)));
    }

    [Fact]
    public void An_exact_sae_spliced_in_changes_nothing()
    {
        using var exact = Exact();
        Assert.True(model.Forward(tokens).SameBits(model.Forward(tokens, Taps.Splice(At, exact))));
    }

    [Fact]
    public void Replace_hands_on_the_reconstruction()
    {
        var x = randn(2, 3, DModel);
        Assert.True(Distance(sae.Reconstruct(x), Taps.Splice(At, sae)(At, x)) < 1e-6);
    }

    [Fact]
    public void Dials_act_on_the_pre_activation_with_its_bias_before_the_relu()
    {
        var (x, c, d) = (randn(5, DModel), randn(DSae), randn(DSae));
        var f = (c * ((x - sae.BDec).matmul(sae.WEnc) + sae.BEnc) + d).clamp_min(0);
        var replaced = f.matmul(sae.WDec) + sae.BDec;
        var plain = ((x - sae.BDec).matmul(sae.WEnc) + sae.BEnc).clamp_min(0);
        var added = x + (f - plain).matmul(sae.WDec);
        Assert.True(Distance(replaced, Taps.Splice(At, sae, SpliceMode.Replace, c, d)(At, x)) < 1e-5);
        Assert.True(Distance(added, Taps.Splice(At, sae, SpliceMode.Delta, c, d)(At, x)) < 1e-5);
    }

    [Fact]
    public void A_tap_leaves_every_other_hook_point_alone()
    {
        var x = randn(1, 2, DModel);
        var elsewhere = new HookPoint(2, HookSite.MlpOut);
        foreach (var tap in (Tap[])[Taps.ZeroAblate(At), Taps.MeanAblate(At, zeros(DModel)), Taps.Splice(At, sae)])
            Assert.Same(x, tap(elsewhere, x));
    }

    [Fact]
    public void Ablation_puts_zeros_or_the_mean_in_place_of_every_token()
    {
        var (x, mean) = (randn(2, 3, DModel), randn(DModel));
        Assert.Equal(0, Taps.ZeroAblate(At)(At, x).abs().max().item<float>());
        Assert.True(mean.expand(2, 3, DModel).SameBits(Taps.MeanAblate(At, mean)(At, x)));
    }

    [Fact]
    public void A_chain_applies_its_taps_in_order_and_a_record_sees_what_came_before()
    {
        Tensor? seen = null;
        var chain = Taps.Chain(Taps.ZeroAblate(At), Taps.Record(At, x => seen = x.clone()), Taps.Splice(At, sae));
        var y = chain(At, randn(2, 3, DModel));
        Assert.Equal(0, seen!.abs().sum().item<float>());
        Assert.True(sae.Reconstruct(zeros(2, 3, DModel)).SameBits(y));
    }

    [Fact]
    public void Running_from_a_state_equals_running_whole_with_the_same_tap()
    {
        var state = model.RunTo(At, tokens);
        foreach (var tap in (Tap?[])[null, Taps.Splice(At, sae), Taps.ZeroAblate(At), null])
            Assert.True(model.Forward(tokens, tap).SameBits(model.RunFrom(state, tap)));
    }

    [Fact]
    public void Half_precision_activations_come_back_in_their_own_type()
    {
        var x = randn(2, DModel).to(ScalarType.BFloat16);
        var y = Taps.Splice(At, sae)(At, x);
        Assert.Equal(ScalarType.BFloat16, y.dtype);
        Assert.True(sae.Reconstruct(x.to(ScalarType.Float32)).to(ScalarType.BFloat16).SameBits(y));
    }

    [Fact]
    public void A_wrong_width_or_type_is_named()
    {
        var wide = Assert.Throws<ArgumentException>(() => Taps.Splice(At, sae)(At, zeros(2, 8)));
        Assert.Contains("blocks.1.mlp_out is Float32 [2, 8]; the SAE needs floating-point [.., 16]", wide.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => Taps.Splice(At, sae)(At, zeros(2, DModel, ScalarType.Int64)));
        Assert.Throws<ArgumentException>(() => Taps.MeanAblate(At, zeros(8))(At, zeros(2, DModel)));
        Assert.Throws<ArgumentException>(() => Taps.MeanAblate(At, zeros(2, 8)));
        var dial = Assert.Throws<ArgumentException>(() => Taps.Splice(At, sae, scale: ones(7)));
        Assert.Contains("scale is Float32 [7]; expected Float32 [d_sae] = [40]", dial.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => Taps.Splice(At, sae, shift: ones(DSae, ScalarType.Float64)));
    }

    [Fact]
    public void Taps_leave_no_tensor_behind()
    {
        using var mean = zeros(DModel);
        using var c = ones(DSae);
        using var d = zeros(DSae);
        var taps = Taps.Chain(Taps.Splice(At, sae, SpliceMode.Replace, c, d), Taps.Splice(At, sae, SpliceMode.Delta, c, d),
            Taps.MeanAblate(At, mean), Taps.ZeroAblate(At));
        void Once()
        {
            using var inner = NewDisposeScope();
            model.Forward(tokens, taps);
        }
        Once();
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        for (int i = 0; i < 5; i++) Once();
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    public void Dispose()
    {
        scope.Dispose();
        sae.Dispose();
        model.Dispose();
    }
}
