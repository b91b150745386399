using Parsimony.FineTuning.Policy;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Policy;

public sealed class ValueHeadTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Tensor hidden = Drawn.Normal(1, 6, 5, 8);
    private readonly Tensor returns;
    private readonly Tensor mask = ResponseMask.Of(tensor(new long[] { 5, 4, 5, 2, 3, 5 }), 5);

    public ValueHeadTests() => returns = hidden.matmul(Drawn.Normal(2, 8)) + 0.5;

    private double Learn(ValueHead head, int steps)
    {
        double explained = double.NaN;
        for (int i = 0; i < steps; i++)
        {
            var values = head.Values(hidden);
            using var loss = ValueLoss.Of(values, values, returns, mask);
            explained = loss.ExplainedVariance.item<float>();
            head.Step(loss.Loss);
        }
        return explained;
    }

    [Fact]
    public void It_values_everything_at_0_at_birth_and_learns_what_is_linear()
    {
        using var head = new ValueHead(8, 0.05);
        Assert.True(head.Values(hidden).SameBits(zeros(6, 5)));
        Assert.Equal(0, Learn(head, 1), 1e-6);
        Assert.True(Learn(head, 300) > 0.999);
        Assert.Equal(301, head.Steps);
    }

    [Fact]
    public void Its_gradient_does_not_reach_the_hidden_states()
    {
        using var head = new ValueHead(8, 0.05);
        var h = hidden.clone().requires_grad_();
        head.Values(h).sum().backward();
        Assert.True(h.grad is null);
        Assert.Equal(30f, head.Bias.grad!.item<float>());
        Assert.StartsWith("the hidden states are [2, 7]; expected [.., d_model] = [.., 8].",
            Assert.Throws<ArgumentException>(() => head.Values(zeros(2, 7))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Saved_and_restored_it_goes_on_bit_by_bit()
    {
        using ValueHead whole = new(8, 0.05, 0.01), resumed = new(8, 0.05, 0.01);
        Learn(whole, 7);
        using (no_grad())
            foreach (var (name, saved) in whole.Tensors()) resumed.Tensors()[name].copy_(saved);
        resumed.Steps = whole.Steps;
        Learn(whole, 5);
        Learn(resumed, 5);
        Assert.All(whole.Tensors(), t => Assert.True(t.Value.SameBits(resumed.Tensors()[t.Key]), t.Key));
    }

    [Fact]
    public void Nothing_is_left_behind()
    {
        void Once(int steps)
        {
            using var step = NewDisposeScope();
            using var head = new ValueHead(8, 0.05);
            Learn(head, steps);
        }
        Once(1);
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        Once(3);
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    public void Dispose() => scope.Dispose();
}
