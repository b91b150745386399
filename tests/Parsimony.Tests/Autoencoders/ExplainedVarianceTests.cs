using Parsimony.Autoencoders;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Autoencoders;

public sealed class ExplainedVarianceTests
{
    [Fact]
    public void The_worked_example_gives_0_8()
    {
        using var scope = NewDisposeScope();
        // x = (2, 0), (0, 4); xHat = (2, 1), (0, 3): deviation 10, residual 2.
        var variance = Of(tensor(new float[,] { { 2, 0 }, { 0, 4 } }), tensor(new float[,] { { 2, 1 }, { 0, 3 } }));
        Assert.Equal((10, 2, 2), (variance.SquaredDeviation, variance.SquaredResidual, variance.Tokens));
        Assert.Equal(0.8, variance.Value, 1e-15);
    }

    [Fact]
    public void Perfect_is_one_and_the_mean_is_zero()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(1, CPU);
        var x = randn(50, 7, generator: generator) + 3;
        Assert.Equal(1, Of(x, x).Value);
        Assert.Equal(0, Of(x, x.mean([0], keepdim: true).expand(50, 7)).Value, 1e-6);
    }

    [Fact]
    public void Cutting_the_tokens_into_batches_changes_nothing()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(1, CPU);
        var x = randn(64, 7, generator: generator) * 2 + 100; // a large mean: the sums must not cancel
        var residual = randn(64, 7, generator: generator);
        var whole = new ExplainedVariance();
        whole.Add(x, residual);
        var parts = new ExplainedVariance();
        foreach (int start in (int[])[0, 1, 30]) parts.Add(x[start..(start == 0 ? 1 : start == 1 ? 30 : 64)], residual[start..(start == 0 ? 1 : start == 1 ? 30 : 64)]);
        Assert.Equal(whole.Value, parts.Value, 1e-12);
        var shaped = new ExplainedVariance();
        shaped.Add(x.reshape(4, 16, 7), residual.reshape(4, 16, 7));
        Assert.Equal(whole.Value, shaped.Value, 1e-12);
    }

    [Fact]
    public void Inputs_that_do_not_vary_have_no_explained_variance()
    {
        using var scope = NewDisposeScope();
        Assert.True(double.IsNaN(Of(full(9, 3, 0.1f), zeros(9, 3)).Value));
        Assert.True(double.IsNaN(new ExplainedVariance().Value));
    }

    private static ExplainedVariance Of(Tensor x, Tensor xHat)
    {
        var variance = new ExplainedVariance();
        variance.Add(x, x - xHat);
        return variance;
    }
}
