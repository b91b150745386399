using Parsimony.Autoencoders;
using Parsimony.Training;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Training;

public sealed class ActivationScaleTests
{
    private const int Width = 6, DSae = 16;

    public static TheoryData<string> Architectures => ["standard", "standard, b_dec not taken off", "jumprelu", "topk", "gated"];

    [Theory, MemberData(nameof(Architectures))]
    public void Folding_turns_an_SAE_of_scaled_activations_into_the_same_of_raw_ones(string architecture)
    {
        using var scope = NewDisposeScope();
        var scale = new ActivationScale(0.37, 0.37);
        var x = Drawn.Normal(1, 64, Width);
        using var sae = Sae(architecture);
        var (f, xHat) = (sae.Encode(x * 0.37), sae.Reconstruct(x * 0.37));
        using var folded = scale.Fold(Sae(architecture));
        Assert.Equal(sae.GetType(), folded.GetType());
        AssertClose(f / 0.37, folded.Encode(x));
        AssertClose(xHat / 0.37, folded.Reconstruct(x));
        Assert.True((folded.Encode(x) > 0).eq(f > 0).all().item<bool>());
        Assert.True(folded.WDec.eq(sae.WDec).all().item<bool>());
    }

    [Theory]
    [InlineData(null)]
    [InlineData(3)]
    public void A_transcoder_has_a_scale_at_each_end(int? k)
    {
        using var scope = NewDisposeScope();
        var x = Drawn.Normal(1, 64, Width);
        Transcoder New() => new(Drawn.Normal(2, Width, DSae), Drawn.Normal(3, DSae, 4), Drawn.Normal(4, DSae), Drawn.Normal(5, 4), Drawn.Normal(6, Width, 4), k);
        using var sae = New();
        using var folded = new ActivationScale(0.37, 2.1).Fold(New());
        AssertClose(sae.Reconstruct(x * 0.37) / 2.1, folded.Reconstruct(x));
        Assert.True(folded.WDec.eq(sae.WDec).all().item<bool>());
    }

    [Theory]
    [InlineData(ActivationScaling.MeanNorm)]
    [InlineData(ActivationScaling.Rms)]
    [InlineData(ActivationScaling.UnitNorm)]
    public void Scaled_activations_have_the_size_that_was_asked_for(ActivationScaling scaling)
    {
        using var scope = NewDisposeScope();
        var x = Drawn.Normal(1, 500, Width) * 7 + 3;
        var scaled = x * ActivationScale.Measure(scaling, x);
        float size = scaling switch
        {
            ActivationScaling.MeanNorm => scaled.norm(1).mean().item<float>() / MathF.Sqrt(Width),
            ActivationScaling.Rms => scaled.square().mean().item<float>(),
            _ => scaled.norm(1).square().mean().item<float>(),
        };
        Assert.Equal(1, size, 1e-5);
    }

    [Fact]
    public void Raw_activations_are_not_touched()
    {
        using var scope = NewDisposeScope();
        var x = Drawn.Normal(1, 5, Width);
        Assert.Equal(1, ActivationScale.Measure(ActivationScaling.Raw, x));
        Assert.Same(x, ActivationScale.One.OfInput(x));
    }

    [Fact]
    public void The_geometric_median_is_not_moved_by_an_outlier_and_may_be_one_of_the_points()
    {
        using var scope = NewDisposeScope();
        var x = zeros(5, 2);
        x[1, 0] = 1; x[2, 0] = -1; x[3, 1] = 1; x[4, 1] = -1; // their mean, where the iteration begins, is the first point
        Assert.True(GeometricMedian.Of(x).abs().max().item<float>() < 1e-6);
        x[4, 1] = -1000;
        Assert.True(GeometricMedian.Of(x).abs().max().item<float>() < 1e-3);
    }

    private static ISparseAutoencoder Sae(string architecture)
    {
        using var scope = NewDisposeScope();
        using var s = Some.Sae(Width, DSae);
        return architecture switch
        {
            "jumprelu" => new JumpReluSae(s.WEnc, s.WDec, s.BEnc, s.BDec, Drawn.Normal(7, DSae).abs() * 0.2),
            "topk" => new TopKSae(s.WEnc, s.WDec, s.BEnc, s.BDec, 4),
            "gated" => new GatedSae(s.WEnc, s.WDec, s.BEnc, Drawn.Normal(7, DSae) * 0.2, Drawn.Normal(8, DSae) * 0.2, s.BDec),
            _ => new StandardSae(s.WEnc, s.WDec, s.BEnc, s.BDec, applyBDecToInput: architecture == "standard"),
        };
    }

    private static void AssertClose(Tensor expected, Tensor actual) =>
        Assert.True((expected - actual).abs().max().item<float>() < 1e-5 * expected.abs().max().item<float>());
}
