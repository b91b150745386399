using Parsimony.Activations;
using Parsimony.Cli.Commands;
using Parsimony.Cli.Runs;
using Parsimony.Models;
using Parsimony.Training;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Cli;

public sealed class TrainingTimeTests
{
    private static readonly HookPoint At = new(1, HookSite.MlpOut);

    [Fact]
    public void Steps_at_the_target_are_measured_where_each_latent_fires_as_often_as_the_target_says()
    {
        var run = new TrainOptions { Model = "m", Text = "t", Hook = At, Sae = new() { DSae = 64, TargetL0Fraction = 0.05 } };
        using var step = SaeSteps.Newborn(run.Sae, 16, 16);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var x = randn(200, 16);
        double before = Fires().mean().item<float>();
        TrainingTime.Quieten(step, new ActivationBatch(At, x.clone()), run);
        Assert.InRange(before, 80, 120); // of 200 tokens: half
        Assert.Equal(Enumerable.Repeat(10f, 64), Fires().data<float>().ToArray()); // 5 %

        Tensor Fires() => step.Run(x, x, new SaeStepInputs(1, 1e-12, 0)).Fires;
    }
}
