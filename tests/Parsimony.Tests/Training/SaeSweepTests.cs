using Parsimony.Activations;
using Parsimony.Files;
using Parsimony.Models;
using Parsimony.Training;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Training;

public sealed class SaeSweepTests : IDisposable
{
    private static readonly HookPoint[] Hooks = [new(1, HookSite.MlpOut), new(0, HookSite.MlpPre)];
    private static readonly ActivationBufferOptions Buffer = new() { BatchTokens = 16, BufferTokens = 70, HarvestBatchContexts = 3, Seed = 9 };
    private readonly TemporaryFolder folder = new();
    private readonly Transformer model = Some.Model();
    private readonly DisposeScope scope = NewDisposeScope();

    /// <summary>Unlike each other in all that a sweep may vary, also in length.</summary>
    private static (HookPoint Hook, SaeTrainingOptions Options)[] Runs =>
    [
        (Hooks[0], Common), (Hooks[0], Common with { L1Coefficient = 0.3, Seed = 2, Resampling = DeadLatentCure.Anthropic }), (Hooks[1], Common with { DSae = 48 }),
        (Hooks[0], Common with { TrainingTokens = 16 * 31, TargetL0Fraction = 0.1, SteerAfterTokens = 100, Resampling = DeadLatentCure.DictionaryLearning }),
    ];

    private static SaeTrainingOptions Common => new()
    {
        DSae = 32,
        LearningRate = 1e-2,
        L1Coefficient = 0.05,
        TrainingTokens = 16 * 40,
        LogEverySteps = 5,
        CheckpointEverySteps = 7,
        ResampleEverySteps = 12,
        ResampleLookBackSteps = 5,
    };

    public void Dispose()
    {
        scope.Dispose();
        model.Dispose();
        folder.Dispose();
    }

    [Fact]
    public void Each_SAE_of_a_sweep_is_bit_equal_to_one_trained_alone()
    {
        for (int i = 0; i < Runs.Length; i++) Alone(i);
        Sweep("together");
        AssertSameAsAlone("together");
    }

    [Fact]
    public void A_sweep_that_was_stopped_or_killed_where_its_SAEs_stood_at_different_steps_ends_the_same()
    {
        for (int i = 0; i < Runs.Length; i++) Alone(i);
        Assert.Throws<OperationCanceledException>(() => Sweep("stopped", stopAt: 16));
        Assert.Equal([16, 16, 16, 16], Steps("stopped"));
        // A kill between two trainers' checkpoints leaves them at different steps; one has not even begun.
        File.Copy(Checkpoint("stopped", 2), Checkpoint("stopped", 2) + ".kept");
        Assert.Throws<OperationCanceledException>(() => Sweep("stopped", stopAt: 23));
        File.Move(Checkpoint("stopped", 2) + ".kept", Checkpoint("stopped", 2), overwrite: true);
        Directory.Delete(folder.File("stopped/1"), recursive: true);
        Assert.Equal([23, 0, 16, 23], Steps("stopped"));
        Sweep("stopped");
        AssertSameAsAlone("stopped");
        Assert.All(Sweep("stopped"), seconds => Assert.Equal(0, seconds));
    }

    [Fact]
    public void An_SAE_whose_loss_is_not_finite_is_named_and_the_others_are_saved()
    {
        using var source = new ActivationBuffer(model, Hooks, Some.Contexts(30, 8), Buffer);
        using var good = new SaeTrainer(Common, source, Hooks[0], folder.File("good"));
        using var bad = new SaeTrainer(Common with { LearningRate = 1e30 }, source, Hooks[0], folder.File("bad"));
        string message = Assert.Throws<InvalidOperationException>(() => SaeSweep.Train(source, [("tame", good), ("wild", bad)])).Message;
        Assert.StartsWith("wild: The loss of step", message, StringComparison.Ordinal);
        Assert.EndsWith("The other SAEs are saved; without this one the same sweep goes on.", message, StringComparison.Ordinal);
        using var again = new SaeTrainer(Common, source, Hooks[0], folder.File("good"));
        Assert.Equal(good.Step, again.Step);
    }

    [Fact]
    public void A_sweep_leaves_no_tensors_behind()
    {
        Sweep("warm");
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        Sweep("again");
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    private void Alone(int i)
    {
        using var source = new ActivationBuffer(model, Runs[i].Hook, Some.Contexts(30, 8), Buffer with { Prefetch = false });
        using var trainer = new SaeTrainer(Runs[i].Options, source, Runs[i].Hook, folder.File($"alone/{i}"));
        trainer.Train().Dispose();
    }

    private IReadOnlyList<double> Sweep(string name, long? stopAt = null)
    {
        using var source = new ActivationBuffer(model, Hooks, Some.Contexts(30, 8), Buffer);
        using var cancel = new CancellationTokenSource();
        IActivationSource stream = stopAt is { } step ? new StopsAt(source, step, cancel, (position) => position.Epoch * 240 / 16 + position.Block * 64 / 16 + position.Offset / 16) : source;
        var trainers = Runs.Select((run, i) => ($"{i}", new SaeTrainer(run.Options, stream, run.Hook, folder.File($"{name}/{i}")))).ToList();
        try
        {
            return SaeSweep.Train(stream, trainers, cancellation: cancel.Token);
        }
        finally
        {
            foreach (var (_, trainer) in trainers) trainer.Dispose();
        }
    }

    private long[] Steps(string name)
    {
        using var source = new ActivationBuffer(model, Hooks, Some.Contexts(30, 8), Buffer);
        return [.. Runs.Select((run, i) =>
        {
            using var trainer = new SaeTrainer(run.Options, source, run.Hook, folder.File($"{name}/{i}"));
            return trainer.Step;
        })];
    }

    private void AssertSameAsAlone(string name)
    {
        for (int i = 0; i < Runs.Length; i++)
        {
            Assert.Equal(FileHash.Sha256(Checkpoint("alone", i)), FileHash.Sha256(Checkpoint(name, i)));
            Assert.Equal(Lines($"alone/{i}"), Lines($"{name}/{i}"));
        }
    }

    private string Checkpoint(string name, int i) => folder.File($"{name}/{i}/checkpoint.safetensors");

    private List<TrainingProgress> Lines(string name) =>
        [.. MetricsFile.Read<TrainingProgress>(folder.File($"{name}/metrics.jsonl")).Select(l => l with { TokensPerSecond = 0, WaitForActivations = 0, WaitForTraining = 0 })];
}
