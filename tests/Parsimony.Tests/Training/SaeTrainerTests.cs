using Parsimony.Files;
using Parsimony.Models;
using Parsimony.Training;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Training;

public sealed class SaeTrainerTests : IDisposable
{
    private static readonly HookPoint Hook = new(1, HookSite.MlpOut);
    private readonly string folder = Directory.CreateTempSubdirectory("parsimony-trainer").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void A_run_that_was_stopped_and_resumed_is_bit_equal_to_one_that_was_not()
    {
        using var scope = NewDisposeScope();
        var (whole, wholeLines) = Run(Path.Combine(folder, "whole"), stopAt: []);
        var (resumed, resumedLines) = Run(Path.Combine(folder, "resumed"), stopAt: [7, 23, 24, 41]);
        foreach (string name in whole.Keys)
            Assert.True(whole[name].bytes.SequenceEqual(resumed[name].bytes), $"{name} differs");
        Assert.Equal(wholeLines, resumedLines);
        Assert.Equal(60 / 3, wholeLines.Count);
        Assert.Contains(wholeLines, line => line.Resampled > 0);
        Assert.NotEqual(wholeLines[0].SparsityCoefficient, wholeLines[^1].SparsityCoefficient);
    }

    [Fact]
    public void A_run_killed_after_its_checkpoint_repeats_what_came_after_it()
    {
        using var scope = NewDisposeScope();
        string killed = Path.Combine(folder, "killed");
        var (whole, wholeLines) = Run(Path.Combine(folder, "whole"), stopAt: []);
        // A kill leaves the last periodic checkpoint, later lines of metrics, and perhaps half a line.
        string checkpoint = Path.Combine(killed, "checkpoint.safetensors"), metrics = Path.Combine(killed, "metrics.jsonl");
        Stop(killed, step: 20);
        File.Copy(checkpoint, checkpoint + ".kept");
        Stop(killed, step: 31);
        File.Move(checkpoint + ".kept", checkpoint, overwrite: true);
        File.AppendAllText(metrics, "{\"step\":33,\"st");
        var (resumed, resumedLines) = Run(killed, stopAt: []);
        foreach (string name in whole.Keys)
            Assert.True(whole[name].bytes.SequenceEqual(resumed[name].bytes), $"{name} differs");
        Assert.Equal(wholeLines, resumedLines);
    }

    [Fact]
    public void A_finished_run_is_not_trained_again()
    {
        using var scope = NewDisposeScope();
        var (first, _) = Run(folder, stopAt: []);
        using var trainer = new SaeTrainer(Options(), Source(), Hook, folder);
        using var again = trainer.Train(new Told<TrainingProgress>(_ => Assert.Fail("trained on")));
        Assert.Equal(60, again.Steps);
        Assert.True(again.Sae.Weights["W_enc"].eq(first["W_enc"]).all().item<bool>());
    }

    [Fact]
    public void A_checkpoint_of_other_options_is_refused_by_name()
    {
        using var scope = NewDisposeScope();
        Stop(folder, step: 5);
        string message = Assert.Throws<InvalidDataException>(
            () => new SaeTrainer(Options() with { LearningRate = 0.5 }, Source(), Hook, folder)).Message;
        Assert.Contains("learning_rate was 0.01, now 0.5", message, StringComparison.Ordinal);
        var elsewhere = new HookPoint(0, HookSite.MlpOut);
        message = Assert.Throws<InvalidDataException>(
            () => new SaeTrainer(Options(), Source(elsewhere), elsewhere, folder)).Message;
        Assert.Contains("the hook was blocks.1.mlp_out, now blocks.0.mlp_out", message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_activation_that_is_not_finite_stops_the_run_and_is_named()
    {
        using var scope = NewDisposeScope();
        var rows = Drawn.Normal(5, 512, 8);
        rows[300, 2] = float.NaN; // batches of 32: in step 10
        using var trainer = new SaeTrainer(Options() with { CheckpointEverySteps = 4 }, new TensorSource(rows, 32), Hook, folder);
        string message = Assert.Throws<InvalidOperationException>(() => trainer.Train()).Message;
        Assert.StartsWith("The activations of step 10 at blocks.1.mlp_out are not finite (first at coordinate 2)", message, StringComparison.Ordinal);
        Assert.All(SafetensorsFile.Open(Path.Combine(folder, "checkpoint.safetensors")).Read("W_enc").data<float>(), w => Assert.True(float.IsFinite(w)));
    }

    [Fact]
    public void A_latent_that_is_not_finite_stops_the_run_and_is_named()
    {
        using var scope = NewDisposeScope();
        using var born = Some.Sae(8, 24);
        born.WEnc[3, 5] = float.PositiveInfinity;
        using var trainer = new SaeTrainer(Options(), Source(), Hook, folder, new DenseStep(born, Options()));
        string message = Assert.Throws<InvalidOperationException>(() => trainer.Train()).Message;
        Assert.StartsWith("The loss of step 1 at blocks.1.mlp_out is NaN, and latent 5 is the first that is not finite;", message, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(folder, "checkpoint.safetensors")));
    }

    [Fact]
    public void Steered_beta_brings_L0_to_its_target()
    {
        using var scope = NewDisposeScope();
        var options = new SaeTrainingOptions
        {
            DSae = 128,
            LearningRate = 3e-3,
            L1Coefficient = 0.01,
            TargetL0Fraction = 0.05,
            SteerAfterTokens = 4_096,
            TrainingTokens = 256 * 2000,
            ResampleEverySteps = 0,
            LogEverySteps = 100,
        };
        var last = new List<TrainingProgress>();
        using var trainer = new SaeTrainer(options, GoldenSteps.Activations(), Hook);
        using var trained = trainer.Train(new Told<TrainingProgress>(last.Add));
        Assert.InRange(last[^4..].Average(line => line.L0), 0.05 * 128 * 0.9, 0.05 * 128 * 1.1);
    }

    [Fact]
    public void Training_leaves_no_tensors_behind()
    {
        using var outer = NewDisposeScope();
        var source = Source();
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        using (var trainer = new SaeTrainer(Options(), source, Hook, folder))
        using (trainer.Train()) { }
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    private static SaeTrainingOptions Options() => new()
    {
        DSae = 24,
        LearningRate = 0.01,
        L1Coefficient = 0.05,
        TargetL0Fraction = 0.1,
        SteerAfterTokens = 320,
        TrainingTokens = 32 * 60,
        LearningRateWarmUpTokens = 100,
        LearningRateDecayTokens = 400,
        L1WarmUpTokens = 200,
        ResampleEverySteps = 12,
        ResampleLookBackSteps = 5,
        CheckpointEverySteps = 20,
        LogEverySteps = 3,
        Seed = 3,
    };

    // Rows far apart, so that some latents die within the few steps of a test.
    private static TensorSource Source(HookPoint? at = null) => new(Drawn.Normal(5, 500, 8).mul_(3).add_(4), 32, at);

    private static (Dictionary<string, Tensor> Weights, List<TrainingProgress> Lines) Run(string runFolder, long[] stopAt)
    {
        foreach (long step in stopAt) Stop(runFolder, step);
        using var trainer = new SaeTrainer(Options(), Source(), Hook, runFolder);
        using var trained = trainer.Train();
        var lines = MetricsFile.Read<TrainingProgress>(Path.Combine(runFolder, "metrics.jsonl")).Select(line => line with { TokensPerSecond = 0, WaitForActivations = 0, WaitForTraining = 0 }).ToList();
        using var checkpoint = SafetensorsFile.Open(Path.Combine(runFolder, "checkpoint.safetensors"));
        return (checkpoint.Tensors.Keys.ToDictionary(name => name, name => checkpoint.Read(name)), lines);
    }

    private static void Stop(string runFolder, long step)
    {
        using var cancel = new CancellationTokenSource();
        using var trainer = new SaeTrainer(Options(), new StopsAt(Source(), step, cancel), Hook, runFolder);
        Assert.Throws<OperationCanceledException>(() => trainer.Train(cancellation: cancel.Token));
        Assert.Equal(step, trainer.Step);
    }
}
