using System.Collections.Concurrent;
using Parsimony.Activations;
using Parsimony.Models;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Activations;

public sealed class PrefetchTests
{
    private static readonly HookPoint Hook = new(1, HookSite.MlpOut), Other = new(0, HookSite.ResidPost);
    private static readonly ActivationBufferOptions Beside = new() { BatchTokens = 16, BufferTokens = 70, HarvestBatchContexts = 3, Seed = 9 };
    private static readonly ActivationBufferOptions Inline = Beside with { Prefetch = false };

    [Fact]
    public void The_stream_is_bit_equal_with_and_without_prefetching_also_after_jumps()
    {
        using var scope = NewDisposeScope();
        using var model = Some.Model();
        using var other = Some.Model();
        var contexts = Some.Contexts(30, 8);
        using var inline = new ActivationBuffer(model, [Hook, Other], contexts, Inline);
        using var beside = new ActivationBuffer(other, [Hook, Other], contexts, Beside);
        for (int i = 0; i < 60; i++)
        {
            if (i % 9 == 8) inline.Position = beside.Position = new(i % 4, i * 7 % 4, i % 2 * 16);
            var (a, b) = (inline.Next(), beside.Next());
            Assert.True(a.At(Hook).SameBits(b.At(Hook)) && a.At(Other).SameBits(b.At(Other)), $"batch {i}");
            Assert.Equal(inline.Position, beside.Position);
        }
    }

    [Fact]
    public void The_next_block_is_read_on_another_thread_while_the_present_one_is_used_and_none_further_ahead()
    {
        using var scope = NewDisposeScope();
        var source = new Numbers(30, 8);
        using var beside = new ActivationBuffer(source, Beside);
        beside.Next();
        Assert.True(SpinWait.SpinUntil(() => source.Calls.Count == 2, 5000), "the second block was not read ahead");
        Thread.Sleep(30);
        Assert.Equal(2, source.Calls.Count);
        Assert.DoesNotContain(Environment.CurrentManagedThreadId, source.Calls.Select(c => c.Thread));
        for (int i = 0; i < 3; i++) beside.Next();
        Assert.Equal(2, source.Calls.Count); // the block of 64 tokens has just been used up
        beside.Next();
        Assert.True(SpinWait.SpinUntil(() => source.Calls.Count == 3, 5000));
        Assert.True(beside.Waits.ForTraining >= 0.03, $"waited {beside.Waits.ForTraining} s for training");
        Assert.All(source.Calls, call => Assert.Equal(0, call.TensorsLeft));
    }

    [Fact]
    public void Waiting_for_a_slow_harvest_is_counted()
    {
        using var scope = NewDisposeScope();
        foreach (var options in (ActivationBufferOptions[])[Beside, Inline])
        {
            using var buffer = new ActivationBuffer(new Numbers(30, 8) { Delay = TimeSpan.FromMilliseconds(40) }, options);
            for (int i = 0; i < 9; i++) buffer.Next();
            Assert.InRange(buffer.Waits.ForActivations, 0.1, 5);
            Assert.InRange(buffer.HarvestSeconds, 0.1, 5);
            if (!options.Prefetch) Assert.Equal(0, buffer.Waits.ForTraining);
        }
    }

    [Fact]
    public void An_error_of_the_harvest_reaches_whoever_asks_for_its_block_and_the_stream_goes_on_after_it()
    {
        using var scope = NewDisposeScope();
        var source = new Numbers(30, 8) { FailsAt = 2 };
        using var beside = new ActivationBuffer(source, Beside);
        for (int i = 0; i < 4; i++) beside.Next();
        var before = beside.Position;
        Assert.Equal("block 2", Assert.Throws<InvalidDataException>(() => beside.Next()).Message);
        Assert.Equal(before, beside.Position);
        using var whole = new ActivationBuffer(new Numbers(30, 8), Inline) { Position = before };
        for (int i = 0; i < 6; i++) Assert.True(beside.Next().At(Hook).SameBits(whole.Next().At(Hook)));
    }

    [Fact]
    public void Cancelling_ends_the_wait_at_once_and_changes_nothing()
    {
        using var scope = NewDisposeScope();
        var source = new Numbers(30, 8) { Delay = TimeSpan.FromMilliseconds(300) };
        using var beside = new ActivationBuffer(source, Beside);
        using var cancel = new CancellationTokenSource(20);
        Assert.ThrowsAny<OperationCanceledException>(() => beside.Next(cancel.Token));
        Assert.Equal(default, beside.Position);
        using var whole = new ActivationBuffer(new Numbers(30, 8), Inline);
        Assert.True(beside.Next().At(Hook).SameBits(whole.Next().At(Hook)));
        Assert.Equal(0, source.Calls.Count(c => c.Cancelled));
    }

    [Fact]
    public void Disposing_stops_the_thread_and_leaves_no_tensors_behind()
    {
        using var outer = NewDisposeScope();
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        var source = new Numbers(30, 8) { Delay = TimeSpan.FromMilliseconds(500) };
        using (var beside = new ActivationBuffer(source, Beside)) beside.Next().Dispose();
        Assert.Equal(2, source.Calls.Count); // the second, under way, was waited for
        Assert.True(source.Calls.Last().Cancelled);
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    /// <summary>Contexts whose rows are their own numbers; remembers who called.</summary>
    private sealed class Numbers(int contexts, int sequenceLength) : IContextActivations
    {
        private int begun;

        public TimeSpan Delay { get; init; }

        public int? FailsAt { get; init; }

        public ConcurrentQueue<(int Thread, long TensorsLeft, bool Cancelled)> Calls { get; } = [];

        public IReadOnlyList<HookPoint> Hooks { get; } = [Hook];

        public int Contexts => contexts;

        public int SequenceLength => sequenceLength;

        public int Width(HookPoint at) => 4;

        public void Read(ReadOnlySpan<long> wanted, IReadOnlyDictionary<HookPoint, Tensor> rows, CancellationToken cancellation)
        {
            long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
            bool cancelled = Delay > TimeSpan.Zero && cancellation.WaitHandle.WaitOne(Delay);
            if (++begun == FailsAt) throw new InvalidDataException($"block {begun}");
            using (NewDisposeScope())
                for (int i = 0; i < wanted.Length; i++)
                    for (int t = 0; t < sequenceLength; t++) rows[Hook][i * sequenceLength + t].fill_(wanted[i] * sequenceLength + t);
            Calls.Enqueue((Environment.CurrentManagedThreadId, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount - before, cancelled));
            cancellation.ThrowIfCancellationRequested();
        }
    }
}
