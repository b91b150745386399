using Parsimony.FineTuning;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning;

public sealed class GroupLassoTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    // What it must minimise is t |v| + |v - u|^2 / 2; here by shrinking steps in every direction from the best point yet.
    private static (double, double) Minimised(double gamma, double shift, double t)
    {
        double Cost(double x, double y) => t * Math.Sqrt(x * x + y * y) + (Math.Pow(x - gamma, 2) + Math.Pow(y - shift, 2)) / 2;
        (double X, double Y) best = (gamma, shift);
        for (double step = 1; step > 1e-9; step *= 0.7)
            for (int turn = 0; turn < 64; turn++)
            {
                double angle = turn * Math.Tau / 64;
                var next = (X: best.X + step * Math.Cos(angle), Y: best.Y + step * Math.Sin(angle));
                if (Cost(next.X, next.Y) < Cost(best.X, best.Y)) best = next;
            }
        return Cost(0, 0) <= Cost(best.X, best.Y) ? (0, 0) : best;
    }

    [Theory]
    [InlineData(0.05)]
    [InlineData(0.4)]
    [InlineData(3)]
    public void It_is_the_minimiser_of_the_penalised_distance(double t)
    {
        Tensor gamma = Drawn.Normal(1, 12).to(ScalarType.Float64), shift = Drawn.Normal(2, 12).to(ScalarType.Float64);
        var (u, w) = (gamma.data<double>().ToArray(), shift.data<double>().ToArray());
        GroupLasso.Shrink(gamma, shift, t);
        for (int i = 0; i < 12; i++)
        {
            var (x, y) = Minimised(u[i], w[i], t);
            Assert.Equal(x, gamma[i].item<double>(), 1e-6);
            Assert.Equal(y, shift[i].item<double>(), 1e-6);
        }
    }

    [Fact]
    public void Pairs_no_longer_than_the_threshold_rest_exactly_and_together()
    {
        Tensor gamma = tensor(new[] { 0.3f, -0.3f, 0f, 0f, -1e-30f }), shift = tensor(new[] { 0.4f, 0.41f, 0f, -2f, 0f });
        GroupLasso.Shrink(gamma, shift, 0.5);
        Assert.True(gamma.narrow(0, 2, 3).SameBits(zeros(3)));                  // not -0
        Assert.Equal((0f, 0f), (gamma[0].item<float>(), shift[0].item<float>()));
        Assert.True(gamma[1].item<float>() < 0 && shift[1].item<float>() > 0);
        Assert.Equal(-1.5f, shift[3].item<float>(), 1e-6f);
        Assert.Equal(2, GroupLasso.Changed(gamma, shift));
    }

    [Fact]
    public void A_threshold_of_nothing_changes_no_bit_and_one_below_it_is_refused()
    {
        Tensor gamma = Drawn.Normal(1, 6), shift = Drawn.Normal(2, 6);
        var (u, w) = (gamma.clone(), shift.clone());
        GroupLasso.Shrink(gamma, shift, 0);
        Assert.True(gamma.SameBits(u) && shift.SameBits(w));
        Assert.StartsWith("the threshold is -1; it must be 0 or more.",
            Assert.Throws<ArgumentException>(() => GroupLasso.Shrink(gamma, shift, -1)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => GroupLasso.Shrink(gamma, zeros(5), 1));
    }

    public void Dispose() => scope.Dispose();
}
