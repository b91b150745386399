using Parsimony.FineTuning;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning;

public sealed class AdamWTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(0.1)]
    public void Steps_are_those_of_libtorchs_adamw(double weightDecay)
    {
        using var scope = NewDisposeScope();
        var start = randn(20);
        var mine = start.clone();
        var theirs = new TorchSharp.Modules.Parameter(start.clone());
        using var reference = optim.AdamW([theirs], lr: 0.02, weight_decay: weightDecay);
        using var optimiser = new AdamW(mine, 0.02, weightDecay);
        for (int step = 0; step < 30; step++)
        {
            var gradient = randn(20);
            optimiser.Step(gradient);
            theirs.grad = gradient.clone();
            reference.step();
        }
        Assert.True((mine - theirs).abs().max().item<float>() < 1e-6);
    }

    [Fact]
    public void Decay_of_gamma_toward_minus_one_is_decay_of_c_toward_zero()
    {
        using var scope = NewDisposeScope();
        var gamma = zeros(8);
        var c = ones(8);
        using var onGamma = new AdamW(gamma, 0.01, 0.5, decayToward: -1);
        using var onC = new AdamW(c, 0.01, 0.5);
        for (int step = 0; step < 50; step++)
        {
            var gradient = randn(8);
            onGamma.Step(gradient);
            onC.Step(gradient);
        }
        Assert.True((1 + gamma - c).abs().max().item<float>() < 1e-5);
    }

    // The article's own figure: half of its features lie where decay alone puts them, and its flat steps are features that had one
    // gradient ever. Its recipe here gives the same numbers.
    [Fact]
    public void The_articles_recipe_gives_the_articles_artefacts()
    {
        using var scope = NewDisposeScope();
        var gamma = zeros(2);
        var shift = zeros(2);
        using var onGamma = new AdamW(gamma, 1e-3, 1e-2, decayToward: -1);
        using var onShift = new AdamW(shift, 1e-3, 1e-2);
        var nothing = zeros(2);
        var once = tensor(new float[] { 0, 1e-4f }); // any size gives the same: Adam divides it out
        for (int step = 0; step < 2000; step++)
        {
            onGamma.Step(step == 760 ? once : nothing);
            onShift.Step(step == 760 ? once : nothing);
        }
        float[] c = (1 + gamma).Floats(), d = shift.Floats();
        Assert.Equal(Math.Pow(1 - 1e-5, 2000), c[0], 1e-4);
        Assert.Equal(0.9572, c[1], 2e-4);
        Assert.Equal(0, d[0]);
        Assert.Equal(-0.0230, d[1], 2e-4);
    }

    [Fact]
    public void A_vector_without_gradient_stays_put_when_decay_is_on_gamma()
    {
        using var scope = NewDisposeScope();
        var gamma = zeros(3);
        using var optimiser = new AdamW(gamma, 1e-3, 1e-2);
        for (int step = 0; step < 10; step++) optimiser.Step(zeros(3));
        Assert.Equal([0f, 0f, 0f], gamma.Floats());
    }

    [Fact]
    public void Steps_leave_no_tensor_behind()
    {
        using var parameter = zeros(4);
        using var gradient = ones(4);
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        using (var optimiser = new AdamW(parameter, 1e-3, 1e-2, -1))
            for (int i = 0; i < 3; i++) optimiser.Step(gradient);
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }
}
