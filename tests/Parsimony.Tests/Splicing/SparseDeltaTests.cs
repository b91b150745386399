using Parsimony.Autoencoders;
using Parsimony.Splicing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Splicing;

/// <summary>Delta mode over the entries that are not zero is the dense arithmetic.</summary>
public sealed class SparseDeltaTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Tensor c = 1 + Drawn.Normal(1, TinySae.DSae) * 0.5, d = Drawn.Normal(2, TinySae.DSae) * 0.3;

    private static ISparseAutoencoder Sae(string architecture)
    {
        var sae = TinySae.Random(dSae: TinySae.DSae);
        return architecture == "standard" ? sae : new JumpReluSae(sae.WEnc, sae.WDec, sae.BEnc, sae.BDec, Drawn.Normal(3, TinySae.DSae).abs() * 0.4);
    }

    private static Tensor Sparse(ISparseAutoencoder sae, Tensor m, Tensor c, Tensor d) => SparseDelta.Of(sae, m, sae.PreActivations(m), c, d);

    private static Tensor Sparse(ISparseAutoencoder sae, Tensor m, Tensor c, Tensor d, Tensor where) => SparseDelta.Of(sae, m, sae.PreActivations(m), c, d, where);

    private static Tensor Dense(ISparseAutoencoder sae, Tensor m, Tensor c, Tensor d) => m + (sae.Activate(c * sae.PreActivations(m) + d) - sae.Activate(sae.PreActivations(m))).matmul(sae.WDec);

    [Theory]
    [InlineData("standard", 1)]
    [InlineData("standard", 70)]
    [InlineData("jumprelu", 9)]
    public void Output_and_gradients_are_those_of_the_dense_arithmetic(string architecture, int tokens)
    {
        using var sae = Sae(architecture);
        var m = Drawn.Normal(4, 2, tokens, TinySae.DModel);
        var upstream = Drawn.Normal(5, 2, tokens, TinySae.DModel);
        (Tensor Out, Tensor C, Tensor D) Run(Func<ISparseAutoencoder, Tensor, Tensor, Tensor, Tensor> of)
        {
            var (scale, shift) = (c.clone().requires_grad_(), d.clone().requires_grad_());
            var result = of(sae, m, scale, shift);
            var gradients = autograd.grad([(result * upstream).sum()], [scale, shift]);
            return (result.detach(), gradients[0], gradients[1]);
        }
        var (ours, dense) = (Run(Sparse), Run(Dense));
        Assert.InRange(TinySae.Distance(ours.Out, dense.Out), 0, 1e-5);
        Assert.True(dense.C.abs().max().item<float>() > 0.1);
        Assert.InRange(TinySae.Distance(ours.C, dense.C), 0, 1e-4);
        Assert.InRange(TinySae.Distance(ours.D, dense.D), 0, 1e-4);
        using (no_grad()) Assert.True(Sparse(sae, m, c, d).SameBits(ours.Out));
    }

    [Fact]
    public void Rows_with_dials_of_their_own_are_done_apart()
    {
        using var sae = Sae("standard");
        var (m, acts) = (Drawn.Normal(4, 3, 40, TinySae.DModel), Drawn.Normal(6, 3, 40).gt(0));
        Tensor Each(Tensor dial) => (dial * Drawn.Normal(7, 3, 1, 1).abs()).clone().requires_grad_();
        var (scale, shift) = (Each(c), Each(d));                                             // [3, 1, d_sae]
        var ours = Sparse(sae, m, scale, shift, acts);
        var gradients = autograd.grad([ours.square().sum()], [scale, shift]);
        Assert.Equal([3, 1, TinySae.DSae], gradients[0].shape);
        for (int row = 0; row < 3; row++)
        {
            var (one, two) = (scale[row, 0].detach().clone().requires_grad_(), shift[row, 0].detach().clone().requires_grad_());
            var alone = Sparse(sae, m[row].unsqueeze(0), one, two, acts[row].unsqueeze(0));
            Assert.True(alone[0].detach().SameBits(ours[row].detach()));
            var expected = autograd.grad([alone.square().sum()], [one, two]);
            Assert.InRange(TinySae.Distance(expected[0], gradients[0][row, 0]), 0, 1e-4);
            Assert.InRange(TinySae.Distance(expected[1], gradients[1][row, 0]), 0, 1e-4);
        }
    }

    [Fact]
    public void At_rest_nothing_is_added_and_a_token_is_treated_alike_in_any_company()
    {
        using var sae = Sae("standard");
        var m = Drawn.Normal(4, 1, 40, TinySae.DModel);
        using var noGradient = no_grad();
        Assert.True(Sparse(sae, m, ones(TinySae.DSae), zeros(TinySae.DSae)).SameBits(m));
        var all = Sparse(sae, m, c, d);
        Assert.InRange(TinySae.Distance(all.narrow(1, 7, 5), Sparse(sae, m.narrow(1, 7, 5), c, d)), 0, 1e-6);
    }

    [Fact]
    public void Where_the_dials_do_not_act_nothing_is_added_and_no_gradient_comes_from_there()
    {
        using var sae = Sae("standard");
        var (m, acts) = (Drawn.Normal(4, 2, 30, TinySae.DModel), Drawn.Normal(6, 2, 30).gt(0));
        var scale = c.clone().requires_grad_();
        var result = Sparse(sae, m, scale, d, acts);
        var expected = where(acts.unsqueeze(-1), Dense(sae, m, scale, d), m);
        Assert.InRange(TinySae.Distance(result.detach(), expected.detach()), 0, 1e-5);
        Assert.True(result.detach()[acts.logical_not()].SameBits(m[acts.logical_not()]));
        Assert.InRange(TinySae.Distance(autograd.grad([result.square().sum()], [scale])[0], autograd.grad([expected.square().sum()], [scale])[0]), 0, 1e-3);
    }

    [Fact]
    public void The_number_of_threads_changes_no_bit()
    {
        using var sae = Sae("standard");
        var m = Drawn.Normal(4, 3, 50, TinySae.DModel);
        Tensor Gradient()
        {
            var scale = c.clone().requires_grad_();
            return autograd.grad([Sparse(sae, m, scale, d).square().sum()], [scale])[0];
        }
        var several = Gradient();
        int threads = get_num_threads();
        try
        {
            set_num_threads(1);
            Assert.True(Gradient().SameBits(several));
        }
        finally
        {
            set_num_threads(threads);
        }
    }

    [Fact]
    public void It_leaves_to_the_dense_arithmetic_what_it_cannot_do()
    {
        using var sae = Sae("standard");
        var m = Drawn.Normal(4, 5, TinySae.DModel);
        Assert.True(SparseDelta.Takes(sae, m));
        Assert.False(SparseDelta.Takes(sae, m.clone().requires_grad_()));
        using var few = new TopKSae(sae.Weights["W_enc"], sae.WDec, sae.Weights["b_enc"], sae.Weights["b_dec"], 3);
        Assert.False(SparseDelta.Takes(few, m));
        Assert.False(SparseDelta.Takes(sae, m.to(ScalarType.BFloat16)));
        Assert.False(SparseDelta.IsWorthIt(sae.PreActivations(m)));                          // half of them fire
        Assert.True(SparseDelta.IsWorthIt(sae.PreActivations(m) - 4));
    }

    [Fact]
    public void No_tensor_is_left_behind()
    {
        using var sae = Sae("jumprelu");
        void Once()
        {
            using var inner = NewDisposeScope();
            var scale = c.clone().requires_grad_();
            autograd.grad([Sparse(sae, Drawn.Normal(4, 30, TinySae.DModel), scale, d).sum()], [scale]);
        }
        Once();
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        Once();
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    public void Dispose() => scope.Dispose();
}
