using Parsimony.Autoencoders;
using Parsimony.Training;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Training;

public sealed class SchedulesTests
{
    private const int Batch = GoldenSteps.Batch;

    private static SaeTrainingOptions Options(GoldenSteps golden) => new()
    {
        LearningRate = golden.Config("base_lr"),
        L1Coefficient = golden.Config("l1_penalty"),
        LearningRateWarmUpTokens = (long)golden.Config("warmup_steps") * Batch,
        L1WarmUpTokens = (long)golden.Config("sparsity_warmup_steps") * Batch,
        LearningRateDecayTokens = (long)(golden.Config("total_steps") - golden.Config("decay_start")) * Batch,
        TrainingTokens = (long)golden.Config("total_steps") * Batch,
        DecoderConstraint = DecoderConstraint.ProjectAndRenormalise,
    };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Fifty_steps_under_warm_ups_and_decay_end_in_the_reference_weights(bool sparse)
    {
        using var scope = NewDisposeScope();
        var reference = new GoldenSteps("standard_schedules");
        var options = Options(reference);
        using ISaeStep step = sparse ? new SparseStep(reference.Start(), options) : new DenseStep(reference.Start(), options);
        var source = GoldenSteps.Activations();
        var losses = new double[50];
        for (int s = 0; s < 50; s++)
        {
            double beta = options.L1Coefficient * Schedules.L1Factor(options, s * Batch);
            var seen = step.Run(source.NextRows(), s + 1, Schedules.LearningRate(options, s * Batch), beta);
            losses[s] = seen.Mse.item<float>() + beta * seen.Sparsity.item<float>();
        }
        reference.AssertClose("trace", "loss", tensor(losses));
        foreach (string name in (string[])["W_enc", "W_dec", "b_enc", "b_dec"]) reference.AssertClose("final", name, step.State()[name]);
    }

    [Fact]
    public void The_rate_climbs_stays_and_falls_to_zero()
    {
        var options = new SaeTrainingOptions
        { LearningRate = 1, TrainingTokens = 100, LearningRateWarmUpTokens = 10, LearningRateDecayTokens = 20 };
        Assert.Equal([0, 0.5, 1, 1, 1, 0.5, 0], new long[] { 0, 5, 10, 50, 80, 90, 100 }.Select(t => Schedules.LearningRate(options, t)));
    }

    [Fact]
    public void Without_schedules_nothing_changes()
    {
        var options = new SaeTrainingOptions { LearningRate = 2, TrainingTokens = 100 };
        Assert.All(new long[] { 0, 50, 99 }, t => Assert.Equal((2.0, 1.0), (Schedules.LearningRate(options, t), Schedules.L1Factor(options, t))));
    }

    [Fact]
    public void K_goes_from_its_start_to_its_end()
    {
        var options = new TopKOptions { K = 10, KStart = 50, KAnnealTokens = 100 };
        Assert.Equal([50, 30, 10, 10], new long[] { 0, 50, 100, 1000 }.Select(t => Schedules.K(options, t)));
        Assert.All(new long[] { 0, 50, 1000 }, t => Assert.Equal(10, Schedules.K(options with { KStart = null }, t)));
    }
}
