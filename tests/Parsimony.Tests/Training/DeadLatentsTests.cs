using Parsimony.Autoencoders;
using Parsimony.Files;
using Parsimony.Models;
using Parsimony.Training;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Training;

/// <summary>Runs in which 16 of 24 latents are dead from the start and a batch has 8 tokens; the first resampling is after step 10.</summary>
public sealed class DeadLatentsTests : IDisposable
{
    private const int Batch = 8, Dead = 16, Latents = 24;
    private readonly TemporaryFolder folder = new();
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Tensor rows = Drawn.Normal(5, 500, 8);

    private static SaeTrainingOptions Options => new()
    {
        DSae = Latents,
        LearningRate = 1e-9, // newborn rows stay where they were born
        Resampling = DeadLatentCure.Anthropic,
        ResampleEverySteps = 10,
        ResampleLookBackSteps = 5,
        TrainingTokens = Batch * 15,
        LogEverySteps = 1,
    };

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    [Theory]
    [InlineData(1, 8)]
    [InlineData(9, 16)]
    [InlineData(819_200, 16)]
    public void More_latents_than_a_batch_has_tokens_are_replaced_from_a_larger_sample(long tokens, int replaced) =>
        Assert.Equal(replaced, Train(Options with { ResampleSampleTokens = tokens }, out _)[^1].Resampled);

    [Theory]
    [InlineData(DeadLatentCure.Anthropic, 24, 7)]
    [InlineData(DeadLatentCure.DictionaryLearning, 17, 7)]
    [InlineData(DeadLatentCure.Anthropic, 8, 9)]
    [InlineData(DeadLatentCure.Anthropic, 1_000_000, 5)] // at most the look-back
    public void They_are_turned_to_inputs_of_the_last_tokens_before_the_resampling_and_of_no_others(DeadLatentCure cure, long tokens, int firstBatch)
    {
        HashSet<long> batches = [];
        for (int seed = 0; seed < 12; seed++)
        {
            Train(Options with { ResampleSampleTokens = tokens, Resampling = cure, Seed = seed }, out var decoder);
            var (cosine, at) = decoder.matmul((rows / rows.norm(1, keepdim: true)).t()).max(1);
            foreach (long born in Enumerable.Range(0, Dead).Where(i => cosine[i].item<float>() > 0.9999f)) batches.Add(at[born].item<long>() / Batch);
        }
        Assert.Equal(Enumerable.Range(firstBatch, 10 - firstBatch).Select(b => (long)b), batches.Order());
    }

    [Theory]
    [InlineData(DeadLatentCure.Anthropic)]
    [InlineData(DeadLatentCure.DictionaryLearning)]
    public void A_run_stopped_in_the_middle_of_the_sample_ends_bit_equal(DeadLatentCure cure)
    {
        var options = Options with { Resampling = cure, LearningRate = 1e-2, TrainingTokens = Batch * 25 };
        Train(options, out _, "whole");
        foreach (long step in (long[])[7, 9, 18])
        {
            using var cancel = new CancellationTokenSource();
            using var stopped = Trainer(options, new StopsAt(new TensorSource(rows, Batch), step, cancel), "stopped");
            Assert.Throws<OperationCanceledException>(() => stopped.Train(cancellation: cancel.Token));
            if (step < 10) Assert.Contains("dead.sample.x", State("stopped").Keys);
        }
        Train(options, out _, "stopped");
        var (whole, resumed) = (State("whole"), State("stopped"));
        Assert.Equal(whole.Keys.Order(), resumed.Keys.Order());
        foreach (string name in whole.Keys) Assert.True(whole[name].bytes.SequenceEqual(resumed[name].bytes), $"{name} differs");
    }

    [Fact]
    public void Nothing_is_held_where_no_latent_can_be_dead_by_then_or_no_resampling_will_come()
    {
        foreach (var options in (SaeTrainingOptions[])[Options with { TrainingTokens = Batch * 10 }, Options with { Resampling = DeadLatentCure.Kaiming }])
        {
            using var cancel = new CancellationTokenSource();
            string name = $"{options.Resampling}";
            using var stopped = Trainer(options, new StopsAt(new TensorSource(rows, Batch), 9, cancel), name);
            Assert.Throws<OperationCanceledException>(() => stopped.Train(cancellation: cancel.Token));
            Assert.DoesNotContain(State(name).Keys, key => key.StartsWith("dead.sample", StringComparison.Ordinal));
        }
        using var alive = new DeadLatents(Latents, ArchitectureDefaults.Resolve(Options), Batch, 15);
        using var born = Some.Sae(8, Latents);
        using var step = new DenseStep(born, Options);
        for (int number = 1; number <= 10; number++)
        {
            alive.Observe(ones(Latents));
            Assert.Equal(0, alive.Cure(step, number, rows, rows, rows));
            Assert.Equal(2, alive.State().Count());
        }
    }

    private List<TrainingProgress> Train(SaeTrainingOptions options, out Tensor decoder, string? name = null)
    {
        var lines = new List<TrainingProgress>();
        using var trainer = Trainer(options, new TensorSource(rows, Batch), name);
        using var trained = trainer.Train(new Told<TrainingProgress>(lines.Add));
        decoder = trained.Sae.WDec.clone();
        return lines;
    }

    private SaeTrainer Trainer(SaeTrainingOptions options, Parsimony.Activations.IActivationSource source, string? name)
    {
        using var born = Some.Sae(8, Latents);
        using var start = new StandardSae(born.WEnc, born.WDec, where(arange(Latents) < Dead, -100f, 0f), born.BDec);
        return new SaeTrainer(options, source, new HookPoint(1, HookSite.MlpOut), name is null ? null : folder.File(name), step: new DenseStep(start, options));
    }

    private Dictionary<string, Tensor> State(string name)
    {
        using var checkpoint = SafetensorsFile.Open(folder.File($"{name}/checkpoint.safetensors"));
        return checkpoint.Tensors.Keys.ToDictionary(n => n, n => checkpoint.Read(n));
    }
}
