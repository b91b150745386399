using Parsimony.Models;
using Parsimony.Splicing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Models;

public sealed class RecomputeTests : IDisposable
{
    private static readonly HookPoint At = new(1, HookSite.MlpOut);
    private readonly DisposeScope scope = NewDisposeScope();

    /// <summary>Loss and gradients of two dials through the layers above the hook.</summary>
    private static (float Loss, float[] Scale, float[] Shift) Learn(Transformer model, IReadOnlySet<int>? tapped)
    {
        using var inner = NewDisposeScope();
        using var sae = Some.Sae();
        using var tokens = Some.Tokens();
        Tensor scale = ones(32).requires_grad_(), shift = zeros(32).requires_grad_();
        HookState state;
        using (no_grad()) state = model.RunTo(At, tokens);
        var residual = model.ResidualFrom(state, Taps.Splice(At, sae, SpliceMode.Replace, scale, shift), tapped);
        var loss = NextTokenLoss.Sum(model, residual.view(-1, 16), tokens.view(-1).data<long>().ToArray());
        var gradients = Gradients.Of(loss, scale, shift);
        return (loss.item<float>(), gradients[0].Floats(), gradients[1].Floats());
    }

    [Theory]
    [InlineData("gpt_neox")]
    [InlineData("llama")]
    public void Layers_run_again_give_the_bits_of_plain_autograd(string family)
    {
        using var model = SomeFamily.Model(family);
        var plain = Learn(model, null);
        var again = Learn(model, new HashSet<int> { At.Layer });
        Assert.Equal(plain.Loss, again.Loss);
        Assert.Equal(plain.Scale, again.Scale);
        Assert.Equal(plain.Shift, again.Shift);
        Assert.Contains(plain.Scale, g => g != 0);
    }

    [Theory]
    [InlineData(WeightStorage.Nf4)]
    [InlineData(WeightStorage.Fp32)]
    public void A_backward_pass_on_a_thread_without_a_dispose_scope_leaves_a_fixed_number_of_tensors(WeightStorage storage)
    {
        // As on a GPU, where libtorch runs it on threads of its own.
        var config = Some.Config(layers: 4) with { DModel = 64, DMlp = 128, NHeads = 2 };
        using var model = new Transformer(config, Some.Weights(config), storage: storage);
        using var tokens = Some.Tokens();
        HookState state;
        using (no_grad()) state = model.RunTo(At, tokens);
        var shift = zeros(64).requires_grad_();
        long left = 0, more = 0;
        var worker = new Thread(() =>
        {
            long Pass()
            {
                Tensor loss;
                using (var forward = NewDisposeScope())
                    loss = model.ResidualFrom(state, (here, x) => here == At ? x + shift : x, new HashSet<int> { At.Layer }).sum().DetachFromDisposeScope();
                autograd.grad([loss], [shift])[0].Dispose();
                loss.Dispose();
                return DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
            }
            Pass();
            left = Pass();
            more = Pass();
        });
        worker.Start();
        worker.Join();
        Assert.Equal(left, more);
    }

    [Fact]
    public void The_same_holds_for_a_chunked_loss()
    {
        // A vocabulary so wide that a few predictions are a chunk.
        var config = Some.Config(layers: 2) with { DVocab = 1 << 21 };
        using var model = new Transformer(config, Some.Weights(config));
        long[] targets = [.. Enumerable.Range(0, 20).Select(i => i * 1000L)];
        var residual = randn(20, 16).requires_grad_();
        var chunked = NextTokenLoss.Sum(model, residual, targets);
        float[] gradient = Gradients.Of(chunked, residual)[0].Floats();
        var whole = nn.functional.cross_entropy(model.Unembed(residual), tensor(targets), reduction: nn.Reduction.Sum);
        Assert.Equal(whole.item<float>(), chunked.item<float>(), 1e-3);
        foreach (var (expected, found) in autograd.grad([whole], [residual])[0].Floats().Zip(gradient)) Assert.Equal(expected, found, 1e-6);
    }

    [Fact]
    public void Layers_that_are_run_again_are_not_tapped()
    {
        using var model = Some.Model(layers: 4);
        var seen = new List<HookPoint>();
        var state = model.RunTo(At, Some.Tokens());
        model.ResidualFrom(state, (at, x) => { seen.Add(at); return x; }, new HashSet<int> { 1, 3 });
        Assert.Equal([1, 3], seen.Select(at => at.Layer).Distinct().Order());
    }

    [Fact]
    public void A_fault_in_the_backward_pass_is_thrown_and_the_process_lives()
    {
        int calls = 0;
        var x = ones(3).requires_grad_();
        var y = Recompute.Of(t => calls++ == 0 ? t * 2 : throw new InvalidOperationException("no memory left"), x);
        Assert.Equal("no memory left", Assert.Throws<InvalidOperationException>(() => Gradients.Of(y.sum(), x)).Message);
        Assert.Equal([1, 1, 1], Gradients.Of(x.sum(), x)[0].Floats());
    }

    [Fact]
    public void Nothing_of_it_stays()
    {
        using var model = Some.Model();
        Learn(model, new HashSet<int> { At.Layer });
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        for (int i = 0; i < 3; i++) Learn(model, new HashSet<int> { At.Layer });
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    public void Dispose() => scope.Dispose();
}
