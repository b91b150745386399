using Parsimony.Activations;
using Parsimony.Autoencoders;
using Parsimony.Evaluation;
using Parsimony.Models;
using Parsimony.Training;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Training;

/// <summary>
/// What can be known of another device without having one. libtorch's <c>meta</c> device holds shapes without numbers: an operation that mixes it with the processor
/// fails as on a GPU. As the default device it finds what is made without saying where; as the weights' device it also finds what is read back.
/// </summary>
public sealed class DeviceTests
{
    private static readonly Device Meta = new("meta");

    public static TheoryData<SaeArchitecture> Every => [.. Enum.GetValues<SaeArchitecture>()];

    [Theory, MemberData(nameof(Every))]
    public void A_step_makes_every_tensor_on_the_device_of_its_weights(SaeArchitecture architecture)
    {
        using var scope = NewDisposeScope();
        using var step = SaeSteps.Newborn(Options(architecture), 8, 8); // too narrow for the kernels: libtorch's products
        var x = Drawn.Normal(1, 32, 8);
        var (latents, columns, rows) = (tensor(new long[] { 2, 7 }), Drawn.Normal(2, 8, 2), Drawn.Normal(3, 2, 8));
        WithoutDefaultDevice(() =>
        {
            for (int s = 1; s <= 4; s++) step.Run(x, x, new SaeStepInputs(s, 0.01, 0.1));
            step.Replace(latents, columns, rows);
            using var sae = step.ToAutoencoder();
            Assert.Equal(DeviceType.CPU, sae.Reconstruct(x).device_type);
        });
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void So_does_the_step_that_is_for_a_GPU(bool isSparse)
    {
        using var scope = NewDisposeScope();
        using var start = Some.Sae(8, 24);
        using var step = new TorchSparseStep(start, Options(SaeArchitecture.Standard)) { SparseUpTo = isSparse ? 1 : 0, IsSparse = isSparse, Capacity = 9 };
        var x = Drawn.Normal(1, 32, 8);
        WithoutDefaultDevice(() =>
        {
            for (int s = 1; s <= 17; s++) step.Run(x, x, new SaeStepInputs(s, 0.01, 0.1));
            step.ToAutoencoder().Dispose();
        });
        Assert.Equal(isSparse, step.DoneAnew > 0);
    }

    [Fact]
    public void The_step_for_a_GPU_reads_nothing_back()
    {
        using var scope = NewDisposeScope();
        using var there = (StandardSae)Some.Sae(8, 24).On(Meta);
        using var step = new TorchSparseStep(there, Options(SaeArchitecture.Standard)); // dense: of what the slots need, the search has no meta kernel
        var x = empty(32, 8, device: Meta);
        for (int s = 1; s < TorchSparseStep.ReadEverySteps; s++)
        {
            var seen = step.Run(x, x, new SaeStepInputs(s, 0.01, 0.1));
            foreach (var t in (Tensor[])[seen.Residual, seen.Loss, seen.Mse, seen.Sparsity, seen.Fires, seen.Sums!]) Assert.Equal(DeviceType.META, t.device_type);
        }
    }

    [Theory]
    [InlineData(DeadLatentCure.Kaiming)]
    [InlineData(DeadLatentCure.Anthropic)]
    public void A_trainer_keeps_its_counters_where_it_learns(DeadLatentCure cure)
    {
        using var scope = NewDisposeScope();
        var options = Options(SaeArchitecture.Standard) with
        {
            TrainingTokens = 32 * 40,
            LearningRate = 0.01,
            LogEverySteps = 5,
            TargetL0 = 4,
            SteerAfterTokens = 320,
            Resampling = cure,
            ResampleEverySteps = 12,
            ResampleLookBackSteps = 5,
        };
        var source = new TensorSource(Drawn.Normal(5, 500, 8).mul_(3).add_(4), 32);
        TrainingProgress line = null!;
        WithoutDefaultDevice(() =>
        {
            using var trainer = new SaeTrainer(options, source, source.Hooks[0], device: CPU);
            trainer.Train(new Told<TrainingProgress>(l => line = l)).Dispose();
        });
        Assert.True(line.Resampled > 0);
    }

    [Fact]
    public void A_model_and_its_evaluation_make_every_tensor_where_the_weights_are()
    {
        using var scope = NewDisposeScope();
        using var model = Some.Model();
        using var sae = Some.Sae();
        var (tokens, mask, contexts, rows) = (Some.Tokens(), ones(2, 12, ScalarType.Int64), Some.Contexts(), zeros(24, 16));
        var at = new HookPoint(1, HookSite.MlpOut);
        WithoutDefaultDevice(() =>
        {
            model.Forward(tokens, attentionMask: mask);
            model.AttentionPattern(1, tokens);
            SpliceEvaluation.Run(model, at, sae, contexts, batchContexts: 4);
            LayerSweep.Run(model, HookSite.MlpOut, sae, contexts);
            DecoderReport.Of(sae);
            new Harvester(model, [at], contexts).Read([2, 0], new Dictionary<HookPoint, Tensor> { [at] = rows }, CancellationToken.None);
        });
    }

    private static void WithoutDefaultDevice(Action run)
    {
        try
        {
            set_default_device(Meta);
            using (var nowhere = zeros(1)) Assert.Equal(DeviceType.META, nowhere.device_type);
            run();
        }
        finally
        {
            set_default_device(CPU);
        }
    }

    private static SaeTrainingOptions Options(SaeArchitecture architecture) => new()
    {
        Architecture = architecture,
        DSae = 24,
        DecoderConstraint = DecoderConstraint.ProjectAndRenormalise,
        SkipConnection = architecture == SaeArchitecture.Transcoder,
        TopK = new() { K = 3, DeadAfterTokens = 32 },
        GradientClip = architecture == SaeArchitecture.Standard ? 0 : 1,
    };
}
