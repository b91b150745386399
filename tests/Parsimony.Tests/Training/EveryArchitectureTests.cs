using Parsimony.Activations;
using Parsimony.Autoencoders;
using Parsimony.Files;
using Parsimony.Models;
using Parsimony.Training;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Training;

/// <summary>What holds for every architecture that the trainer can be asked for, at a width of its dense step (8) and at one of the sparse step (32).</summary>
public sealed class EveryArchitectureTests : IDisposable
{
    private static readonly HookPoint In = new(1, HookSite.MlpIn), Out = new(1, HookSite.MlpOut);
    private readonly string folder = Directory.CreateTempSubdirectory("parsimony-architectures").FullName;

    public static TheoryData<SaeArchitecture, int> Every =>
        new([.. Enum.GetValues<SaeArchitecture>().SelectMany(architecture => ((SaeArchitecture, int)[])[(architecture, 8), (architecture, 32)])]);

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory, MemberData(nameof(Every))]
    public void A_resumed_run_is_bit_equal_to_a_whole_one(SaeArchitecture architecture, int width)
    {
        using var scope = NewDisposeScope();
        var whole = Run(architecture, width, "whole");
        foreach (long step in (long[])[0, 7, 23]) Stop(architecture, width, "resumed", step);
        var resumed = Run(architecture, width, "resumed");
        foreach (string name in whole.Tensors.Keys) Assert.True(whole.Tensors[name].bytes.SequenceEqual(resumed.Tensors[name].bytes), $"{name} differs");
        Assert.Equal(whole.Lines, resumed.Lines);
    }

    [Theory, MemberData(nameof(Every))]
    public void Metrics_are_in_raw_units_and_the_saved_SAE_takes_raw_activations(SaeArchitecture architecture, int width)
    {
        using var scope = NewDisposeScope();
        foreach (var scaling in (ActivationScaling[])[ActivationScaling.Raw, ActivationScaling.Rms])
        {
            var source = Source(width);
            var options = Options(architecture) with { LearningRate = 1e-12, TrainingTokens = 32 * 3, LogEverySteps = 3 }; // the SAE stays as it was born
            options = options with { Start = options.Start with { ActivationScaling = scaling }, TopK = options.TopK with { KStart = null } };
            TrainingProgress line = null!;
            using var trainer = new SaeTrainer(options, source, Out, input: Input(architecture));
            using var trained = trainer.Train(new Told<TrainingProgress>(l => line = l));
            source.Position = new(0, 0, 2);
            var batch = source.Next();
            var (x, y) = (batch.At(Input(architecture)), batch.At(Out));
            var (f, residual) = (trained.Sae.Encode(x), trained.Sae.Reconstruct(x) - y);
            Assert.Equal(line.Loss, line.Mse + line.SparsityLoss + line.AuxiliaryLoss, 1e-4 * line.Loss);
            if (architecture is SaeArchitecture.Batchtopk or SaeArchitecture.MatryoshkaBatchtopk) continue; // selects by batch while it learns
            Assert.Equal(residual.square().sum([1L]).mean().item<float>(), line.Mse, 1e-4 * line.Mse);
            Assert.Equal((f > 0).sum().item<long>() / 32.0, line.L0, 0.1);
            Assert.Equal(f.sum().item<float>() / 32.0, line.L1, 1e-4 * line.L1);
        }
    }

    [Theory, MemberData(nameof(Every))]
    public void Dead_latents_can_be_replaced_and_a_step_leaves_no_tensors_behind(SaeArchitecture architecture, int width)
    {
        using var outer = NewDisposeScope();
        using var step = SaeSteps.Newborn(Options(architecture), width, width);
        var x = Drawn.Normal(1, 32, width);
        void Once(long number)
        {
            using var scope = NewDisposeScope();
            step.Run(x, x, new SaeStepInputs(number, 0.01, 0.1));
            step.Replace(tensor(new long[] { 2, 7 }), Drawn.Normal(1, width, 2), Drawn.Normal(2, 2, width));
            step.ToAutoencoder().Dispose();
        }
        for (int i = 1; i < 4; i++) Once(i);
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        for (int i = 4; i < 9; i++) Once(i);
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
        var others = tensor(Enumerable.Range(0, 24).Where(i => i is not (2 or 7)).Select(i => (long)i).ToArray());
        Assert.True(step.State()["W_enc.exp_avg"].index_select(1, tensor(new long[] { 2, 7 })).eq(0).all().item<bool>());
        Assert.True(step.State()["W_enc.exp_avg"].index_select(1, others).ne(0).any().item<bool>());
    }

    [Theory, MemberData(nameof(Every))]
    public void What_a_run_ends_with_is_what_its_architecture_is_saved_as(SaeArchitecture architecture, int width)
    {
        using var scope = NewDisposeScope();
        using var step = SaeSteps.Newborn(Options(architecture), width, width);
        using var sae = step.ToAutoencoder();
        Assert.Equal(architecture switch
        {
            SaeArchitecture.Topk => "topk",
            SaeArchitecture.Batchtopk or SaeArchitecture.MatryoshkaBatchtopk or SaeArchitecture.Jumprelu => "jumprelu",
            SaeArchitecture.Gated => "gated",
            SaeArchitecture.Transcoder => "skip_transcoder",
            _ => "standard",
        }, sae.Architecture);
    }

    [Fact]
    public void Gradients_longer_than_the_clip_are_scaled_down_to_it()
    {
        using var scope = NewDisposeScope();
        using var start = Some.Sae(8, 24);
        var options = new SaeTrainingOptions { GradientClip = 0.5, AdamBeta1 = 0 };
        using var step = new ReluStep(start, options);
        step.Run(Drawn.Normal(1, 32, 8) * 10, Drawn.Normal(1, 32, 8) * 10, new SaeStepInputs(1, 0, 0.1));
        double norm = Math.Sqrt(((string[])["W_enc", "W_dec", "b_enc", "b_dec"]).Sum(n => step.State()[$"{n}.exp_avg"].square().sum().item<float>()));
        Assert.Equal(0.5, norm, 1e-4);
    }

    private static HookPoint Input(SaeArchitecture architecture) => architecture == SaeArchitecture.Transcoder ? In : Out;

    private static SaeTrainingOptions Options(SaeArchitecture architecture) => new()
    {
        Architecture = architecture,
        DSae = 24,
        LearningRate = 0.01,
        L1Coefficient = 0.05,
        TargetL0 = 4,
        SteerAfterTokens = 320,
        TrainingTokens = 32 * 40,
        LearningRateWarmUpTokens = 100,
        Resampling = DeadLatentCure.Anthropic,
        ResampleEverySteps = 12,
        ResampleLookBackSteps = 5,
        CheckpointEverySteps = 20,
        LogEverySteps = 3,
        SkipConnection = architecture == SaeArchitecture.Transcoder,
        TopK = new() { K = architecture == SaeArchitecture.Transcoder ? null : 3, KStart = 6, KAnnealTokens = 600, DeadAfterTokens = 64, ThresholdAfterTokens = 320 },
        Jumprelu = new() { Bandwidth = 0.1, FirstThreshold = 0.05 },
        Start = new() { SampleTokens = 100, ActivationScaling = ActivationScaling.MeanNorm, DecoderBiasStart = DecoderBiasStart.GeometricMedian },
        Seed = 3,
    };

    // Rows far apart, so that some latents die within the few steps of a test.
    private static TwoHooks Source(int width) => new(Drawn.Normal(5, 500, width).mul_(3).add_(4), Drawn.Normal(6, 500, width).mul_(3).add_(4), 32);

    private (Dictionary<string, Tensor> Tensors, List<TrainingProgress> Lines) Run(SaeArchitecture architecture, int width, string name)
    {
        string run = Path.Combine(folder, name);
        using var trainer = new SaeTrainer(Options(architecture), Source(width), Out, run, input: Input(architecture));
        using var trained = trainer.Train();
        var lines = MetricsFile.Read<TrainingProgress>(Path.Combine(run, "metrics.jsonl")).Select(line => line with { TokensPerSecond = 0 }).ToList();
        using var checkpoint = SafetensorsFile.Open(Path.Combine(run, "checkpoint.safetensors"));
        return (checkpoint.Tensors.Keys.ToDictionary(n => n, n => checkpoint.Read(n)), lines);
    }

    private void Stop(SaeArchitecture architecture, int width, string name, long step)
    {
        using var cancel = new CancellationTokenSource();
        if (step == 0) cancel.Cancel();
        IActivationSource source = new StopsAt(Source(width), step, cancel);
        using var trainer = new SaeTrainer(Options(architecture), source, Out, Path.Combine(folder, name), input: Input(architecture));
        Assert.Throws<OperationCanceledException>(() => trainer.Train(cancellation: cancel.Token));
        Assert.Equal(step, trainer.Step);
    }

    /// <summary>The same tokens at an MLP's input and output.</summary>
    private sealed class TwoHooks(Tensor x, Tensor y, int batchTokens) : IActivationSource
    {
        private readonly TensorSource input = new(x, batchTokens, In), output = new(y, batchTokens, Out);

        public IReadOnlyList<HookPoint> Hooks => [In, Out];

        public int BatchTokens => batchTokens;

        public int Width(HookPoint at) => (int)x.shape[1];

        public BufferPosition Position
        {
            get => input.Position;
            set => input.Position = output.Position = value;
        }

        public ActivationBatch Next(CancellationToken cancellation = default) =>
            new(new Dictionary<HookPoint, Tensor> { [In] = input.NextRows(), [Out] = output.NextRows() });
    }
}
