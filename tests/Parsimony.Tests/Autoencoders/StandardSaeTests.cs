using Parsimony.Autoencoders;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Autoencoders;

public sealed class StandardSaeTests
{
    [Fact]
    public void Decoder_rows_have_unit_norm_at_birth()
    {
        using var sae = StandardSae.Create(24, 96, seed: 1);
        Assert.Equal([96, 24], sae.WDec.shape);
        Assert.True((sae.WDec.norm(1) - 1).abs().max().item<float>() < 1e-6);
    }

    [Fact]
    public void Encoder_weights_at_birth_are_uniform_within_the_Kaiming_bound_and_biases_are_zero()
    {
        using var sae = StandardSae.Create(64, 600, seed: 1);
        float bound = 0.1f; // sqrt(6 / 600)
        Assert.InRange(sae.WEnc.abs().max().item<float>(), 0.999f * bound, bound);
        Assert.Equal(bound / MathF.Sqrt(3), sae.WEnc.std().item<float>(), 1e-3);
        Assert.Equal(0, sae.BEnc.abs().sum().item<float>() + sae.BDec.abs().sum().item<float>());
    }

    [Theory]
    [InlineData(2)]
    [InlineData(16)]
    public void A_newborn_reconstruction_is_about_as_long_as_its_input(int expansion)
    {
        using var scope = NewDisposeScope();
        using var sae = StandardSae.Create(64, 64 * expansion, seed: 2);
        using var generator = new Generator(3, CPU);
        var x = randn(256, 64, generator: generator);
        Assert.InRange((sae.Reconstruct(x).norm() / x.norm()).item<float>(), 0.8, 1.4);
    }

    [Fact]
    public void The_same_seed_gives_the_same_weights_and_another_seed_others()
    {
        using var a = StandardSae.Create(8, 16, seed: 5);
        using var b = StandardSae.Create(8, 16, seed: 5);
        using var c = StandardSae.Create(8, 16, seed: 6);
        Assert.True(a.WEnc.SameBits(b.WEnc) && a.WDec.SameBits(b.WDec));
        Assert.False(a.WEnc.SameBits(c.WEnc));
    }

    [Fact]
    public void A_hand_made_autoencoder_computes_the_articles_formula()
    {
        using var scope = NewDisposeScope();
        using var sae = new StandardSae(
            wEnc: tensor(new float[,] { { 1, -1, 0 }, { 0, 2, 1 } }), wDec: tensor(new float[,] { { 1, 0 }, { 0, 1 }, { 0.6f, 0.8f } }),
            bEnc: tensor(new float[] { 0.5f, 0, -1 }), bDec: tensor(new float[] { 1, 2 }));
        var x = tensor(new float[] { 3, 2.5f }).reshape(1, 2); // x - b_dec = (2, 0.5)
        Assert.Equal([2.5f, -1, -0.5f], sae.PreActivations(x).Floats());
        Assert.Equal([2.5f, 0, 0], sae.Encode(x).Floats());
        Assert.Equal([3.5f, 2], sae.Reconstruct(x).Floats());
    }

    [Fact]
    public void Leading_axes_are_kept_and_change_nothing()
    {
        using var scope = NewDisposeScope();
        using var sae = Some.Sae();
        using var generator = new Generator(1, CPU);
        var x = randn(3, 5, 16, generator: generator);
        Assert.Equal([3, 5, 32], sae.Encode(x).shape);
        Assert.True(sae.Reconstruct(x).reshape(15, 16).SameBits(sae.Reconstruct(x.reshape(15, 16))));
        Assert.True(sae.Reconstruct(x[1, 2]).allclose(sae.Reconstruct(x)[1, 2], 1e-5, 1e-6));
    }

    [Fact]
    public void The_arguments_stay_the_callers()
    {
        using var scope = NewDisposeScope();
        var wEnc = zeros(2, 3);
        using var sae = new StandardSae(wEnc, ones(3, 2), zeros(3), zeros(2));
        wEnc.fill_(7);
        Assert.Equal(0, sae.WEnc.sum().item<float>());
    }

    [Fact]
    public void Autograd_flows_through_to_the_input()
    {
        using var scope = NewDisposeScope();
        using var sae = Some.Sae();
        var x = ones(2, 16).requires_grad_();
        sae.Reconstruct(x).sum().backward();
        Assert.True(x.grad!.abs().sum().item<float>() > 0);
        Assert.False(sae.WEnc.requires_grad);
    }

    [Fact]
    public void A_wrong_width_is_named()
    {
        using var scope = NewDisposeScope();
        using var sae = Some.Sae();
        Assert.Equal("x has shape [3, 8]; expected [..., d_model] = [..., 16].",
            Assert.Throws<ArgumentException>(() => sae.Encode(zeros(3, 8))).Message);
        Assert.Equal("f has shape [3, 16]; expected [..., d_sae] = [..., 32].",
            Assert.Throws<ArgumentException>(() => sae.Decode(zeros(3, 16))).Message);
        Assert.Equal("W_dec [d_sae, d_model] has shape [3, 3]; expected [3, 2] to go with W_enc.",
            Assert.Throws<ArgumentException>(() => new StandardSae(zeros(2, 3), zeros(3, 3), zeros(3), zeros(2))).Message);
    }

    [Fact]
    public void Use_leaves_no_tensors_behind()
    {
        using var outer = NewDisposeScope();
        using var x = ones(4, 16);
        void Once()
        {
            using var sae = Some.Sae();
            using var xHat = sae.Reconstruct(x);
        }
        Once();
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        Once();
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }
}
