using Parsimony.Activations;
using Parsimony.Models;
using Parsimony.Training;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Activations;

public sealed class ActivationBufferTests
{
    private static readonly HookPoint Hook = new(1, HookSite.MlpOut);

    // 30 contexts of 8 = 240 tokens; blocks of 64 tokens = 8 contexts, the last of 6.
    private static readonly ActivationBufferOptions Blocked = new() { BatchTokens = 16, BufferTokens = 70, HarvestBatchContexts = 3, Seed = 9, Prefetch = false };

    [Theory]
    [InlineData(70, 4)]
    [InlineData(1000, 1)]
    public void Every_token_comes_exactly_once_an_epoch(int bufferTokens, int blocks)
    {
        using var scope = NewDisposeScope();
        using var model = Some.Model();
        var contexts = Some.Contexts(30, 8);
        using var buffer = new ActivationBuffer(model, Hook, contexts, Blocked with { BufferTokens = bufferTokens });
        Assert.Equal(blocks, buffer.Blocks);
        var expected = cat([.. contexts.Select(c => model.Activations(Hook, tensor(c.Select(t => (long)t).ToArray(), 1, 8)).reshape(-1, 16))]);
        for (int epoch = 0; epoch < 2; epoch++) AssertSameRows(expected, cat([.. Enumerable.Range(0, 15).Select(_ => buffer.Next().At(Hook))]));
        Assert.Equal(blocks == 1 ? 240 : 480, buffer.TokensHarvested);
        Assert.True(buffer.HarvestSeconds > 0);
    }

    [Theory]
    [InlineData(70)]
    [InlineData(1000)]
    public void Epochs_and_seeds_differ_and_equal_seeds_agree(int bufferTokens)
    {
        using var scope = NewDisposeScope();
        using var model = Some.Model();
        Tensor Epoch(long seed, int skip)
        {
            using var buffer = new ActivationBuffer(model, Hook, Some.Contexts(30, 8), Blocked with { Seed = seed, BufferTokens = bufferTokens });
            for (int i = 0; i < skip; i++) buffer.Next();
            return buffer.Next().At(Hook);
        }
        Assert.True(Epoch(9, 0).SameBits(Epoch(9, 0)));
        Assert.False(Epoch(9, 0).SameBits(Epoch(10, 0)));
        Assert.False(Epoch(9, 0).SameBits(Epoch(9, 15)));
    }

    [Theory]
    [InlineData(70)]
    [InlineData(1000)]
    public void A_position_restores_the_stream_exactly(int bufferTokens)
    {
        using var scope = NewDisposeScope();
        using var model = Some.Model();
        var options = Blocked with { BufferTokens = bufferTokens };
        using var buffer = new ActivationBuffer(model, Hook, Some.Contexts(30, 8), options);
        var stream = new List<(BufferPosition Before, Tensor Batch)>();
        for (int i = 0; i < 40; i++) stream.Add((buffer.Position, buffer.Next().At(Hook)));
        foreach (int i in (int[])[0, 3, 4, 14, 15, 16, 33, 39])
        {
            using var other = new ActivationBuffer(model, Hook, Some.Contexts(30, 8), options);
            other.Seek(stream[i].Before);
            for (int j = i; j < Math.Min(40, i + 6); j++) Assert.True(other.Next().At(Hook).SameBits(stream[j].Batch), $"batch {j} from {stream[i].Before}");
        }
    }

    [Fact]
    public void Several_hook_points_from_one_pass_give_the_streams_of_each_alone()
    {
        using var scope = NewDisposeScope();
        foreach (bool parallel in (bool[])[true, false])
        {
            using var model = Some.Model(parallel: parallel);
            HookPoint[] all = [.. Enumerable.Range(0, 3).SelectMany(layer => Enum.GetValues<HookSite>().Select(site => new HookPoint(layer, site)))];
            foreach (HookPoint[] hooks in (HookPoint[][])[all, [all[10], all[0]], [all[8], all[9]], [all[7], all[8]], [all[6], all[10]]])
            {
                using var together = new ActivationBuffer(model, hooks, Some.Contexts(30, 8), Blocked);
                Assert.Equal(hooks, together.Hooks);
                var alone = hooks.Select(at => new ActivationBuffer(model, at, Some.Contexts(30, 8), Blocked)).ToList();
                for (int i = 0; i < 7; i++)
                {
                    var batch = together.Next();
                    foreach (var one in alone)
                    {
                        Assert.Equal(one.Width(one.Hooks[0]), together.Width(one.Hooks[0]));
                        Assert.True(one.Next().At(one.Hooks[0]).SameBits(batch.At(one.Hooks[0])), $"batch {i} at {one.Hooks[0]} of {string.Join(", ", hooks)}");
                    }
                }
                Assert.Equal(112, together.Position.Offset + 64 * together.Position.Block);
                alone.ForEach(one => one.Dispose());
            }
        }
    }

    [Fact]
    public void A_hook_point_that_is_not_read_is_refused_by_name()
    {
        using var scope = NewDisposeScope();
        using var model = Some.Model();
        using var buffer = new ActivationBuffer(model, Hook, Some.Contexts(30, 8), Blocked);
        var other = new HookPoint(0, HookSite.MlpOut);
        const string expected = "This stream does not read at blocks.0.mlp_out; it reads at blocks.1.mlp_out.";
        Assert.Equal(expected, Assert.Throws<ArgumentException>(() => buffer.Width(other)).Message);
        Assert.Equal(expected, Assert.Throws<ArgumentException>(() => buffer.Next().At(other)).Message);
        Assert.Contains("'blocks.1.mlp_out, blocks.1.mlp_out'; name at least one, and each once", Assert.Throws<ArgumentException>(
            () => new ActivationBuffer(model, [Hook, Hook], Some.Contexts(30, 8), Blocked)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_left_of_a_block_after_whole_batches_is_passed_over()
    {
        using var scope = NewDisposeScope();
        using var model = Some.Model();
        using var buffer = new ActivationBuffer(model, Hook, Some.Contexts(5, 8), Blocked with { BufferTokens = 1000 }); // 40 tokens: 2 batches
        buffer.Next();
        buffer.Next();
        buffer.Next();
        Assert.Equal(new BufferPosition(1, 0, 16), buffer.Position);
    }

    [Fact]
    public void Training_on_harvested_activations_can_be_stopped_and_resumed_bit_equal()
    {
        using var scope = NewDisposeScope();
        using var model = Some.Model();
        string folder = Directory.CreateTempSubdirectory("parsimony-buffer").FullName;
        var options = new SaeTrainingOptions { DSae = 32, LearningRate = 1e-3, TrainingTokens = 16 * 40, LogEverySteps = 5 };
        ActivationBuffer Buffer() => new(model, Hook, Some.Contexts(30, 8), Blocked);
        using (var buffer = Buffer())
        using (var cancel = new CancellationTokenSource())
        using (var trainer = new SaeTrainer(options, buffer, Hook, folder))
            Assert.Throws<OperationCanceledException>(() => trainer.Train(new CancelAt(25, cancel), cancel.Token));
        using var resumedBuffer = Buffer();
        using var resumedTrainer = new SaeTrainer(options, resumedBuffer, Hook, folder);
        Assert.Equal(25, resumedTrainer.Step);
        using var resumed = resumedTrainer.Train();
        using var wholeBuffer = Buffer();
        using var wholeTrainer = new SaeTrainer(options, wholeBuffer, Hook);
        using var whole = wholeTrainer.Train();
        Assert.True(whole.Sae.SameBits(resumed.Sae));
        Assert.Equal(whole.Density, resumed.Density);
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void A_cancelled_harvest_leaves_the_position_where_it_was()
    {
        using var scope = NewDisposeScope();
        using var model = Some.Model();
        using var buffer = new ActivationBuffer(model, Hook, Some.Contexts(30, 8), Blocked);
        Assert.Throws<OperationCanceledException>(() => buffer.Next(new CancellationToken(canceled: true)));
        Assert.Equal(default, buffer.Position);
        using var other = new ActivationBuffer(model, Hook, Some.Contexts(30, 8), Blocked);
        Assert.True(buffer.Next().At(Hook).SameBits(other.Next().At(Hook)));
    }

    [Fact]
    public void Too_little_text_or_contexts_of_several_lengths_are_refused()
    {
        using var model = Some.Model();
        Assert.Contains("8 tokens in whole contexts; a batch needs 16", Assert.Throws<ArgumentException>(
            () => new ActivationBuffer(model, Hook, Some.Contexts(1, 8), Blocked)).Message, StringComparison.Ordinal);
        Assert.Contains("several lengths", Assert.Throws<ArgumentException>(
            () => new ActivationBuffer(model, Hook, [.. Some.Contexts(3, 8), .. Some.Contexts(3, 9)], Blocked)).Message, StringComparison.Ordinal);
        Assert.Contains("batch_tokens is 0; allowed: 1 or more; harvest_batch_contexts is 0", Assert.Throws<ArgumentException>(
            () => (Blocked with { BatchTokens = 0, HarvestBatchContexts = 0 }).Validated()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Harvesting_leaves_no_tensors_behind()
    {
        using var outer = NewDisposeScope();
        using var model = Some.Model();
        void Epoch()
        {
            using var buffer = new ActivationBuffer(model, [Hook, new(2, HookSite.AttnOut)], Some.Contexts(30, 8), Blocked);
            for (int i = 0; i < 17; i++) buffer.Next().Dispose();
        }
        Epoch();
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        Epoch();
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    /// <summary>The same rows in any order, up to rounding (other batch sizes sum in another order); contexts that begin alike share rows.</summary>
    private static void AssertSameRows(Tensor expected, Tensor actual)
    {
        Assert.Equal(expected.shape, actual.shape);
        var distance = (expected.unsqueeze(1) - actual.unsqueeze(0)).abs().amax(2); // [expected, actual]
        Assert.True(Math.Max(distance.amin(0).max().item<float>(), distance.amin(1).max().item<float>()) < 1e-3);
        Assert.True((expected.sum([0L]) - actual.sum([0L])).abs().max().item<float>() < 1e-3);
    }

    private sealed class CancelAt(long step, CancellationTokenSource cancel) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            if (value.Step == step) cancel.Cancel();
        }
    }
}
