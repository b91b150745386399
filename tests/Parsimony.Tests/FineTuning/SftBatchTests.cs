using Parsimony.FineTuning;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tests.Splicing;
using Parsimony.Tokens;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning;

public sealed class SftBatchTests : IDisposable
{
    private readonly Transformer model = Some.Model();
    private readonly DisposeScope scope = NewDisposeScope();

    // The long one has 11 targets, the short one 2: a mean of means would weigh the two rows alike.
    private static readonly SftExample Long = new(Some.Contexts(1, seed: 1)[0], 1), Short = new(Some.Contexts(1, seed: 2)[0][..6], 4);

    private double[] Losses(int[] row) =>
        [.. NextTokenLoss.PerToken(model.Forward(ContextPacker.ToTensor([row])), ContextPacker.ToTensor([row])).Floats().Select(x => (double)x)];

    [Fact]
    public void Every_target_of_the_batch_weighs_the_same_and_nothing_else_counts()
    {
        var batch = new SftBatch([Long, Short]);
        using var prefixes = new PrefixCache(model, TinySae.At, 0);
        double sum = batch.LossSum(model, model.ResidualFrom(prefixes.Batch(batch.Rows))).item<float>();
        Assert.Equal(13, batch.Targets);
        Assert.Equal(18, batch.TokensSeen);
        Assert.Equal(Losses(Long.Tokens).Sum() + Losses(Short.Tokens)[3..].Sum(), sum, 1e-4);
    }

    [Fact]
    public void A_null_run_permutes_the_targets_among_the_target_positions_only()
    {
        // Where every position predicts the same, the loss tells how often each token is a target, whichever position it is at.
        using var generator = new Generator(4, CPU);
        var same = randn([1, 1, 16], generator: generator).expand(2, 12, 16);
        double True() => new SftBatch([Long, Short]).LossSum(model, same).item<float>();
        double Permuted(long step) =>
            new SftBatch([Long, Short], n => Permutation.Draw(n, 0, RandomUse.Labels, step)).LossSum(model, same).item<float>();
        for (int step = 0; step < 5; step++) Assert.Equal(True(), Permuted(step), 1e-3);

        using var prefixes = new PrefixCache(model, TinySae.At, 0);
        var real = model.ResidualFrom(prefixes.Batch([Long.Tokens]));
        double Loss(Func<int, int[]>? order) => new SftBatch([Long], order).LossSum(model, real).item<float>();
        Assert.NotEqual(Loss(null), Loss(n => Permutation.Draw(n, 0, RandomUse.Labels, 0)));
        Assert.Equal(Loss(null), Loss(n => [.. Enumerable.Range(0, n)]));
    }

    [Fact]
    public void A_permutation_holds_every_number_once_and_depends_on_all_it_is_drawn_from()
    {
        int[] Draw(long seed = 1, RandomUse use = RandomUse.Labels, long index = 0) => Permutation.Draw(100, seed, use, index);
        Assert.Equal(Enumerable.Range(0, 100), Draw().Order());
        Assert.Equal(Draw(), Draw());
        foreach (int[] other in (int[][])[Draw(seed: 2), Draw(seed: -1), Draw(use: RandomUse.ExampleOrder), Draw(index: 1)])
            Assert.NotEqual(Draw(), other);
    }

    [Fact]
    public void A_permutation_is_uniform()
    {
        var counts = new int[6];
        for (int i = 0; i < 6000; i++)
        {
            int[] p = Permutation.Draw(3, 0, RandomUse.Labels, i);
            counts[p[0] * 2 + (p[1] > p[2] ? 1 : 0)]++;
        }
        Assert.All(counts, count => Assert.InRange(count, 850, 1150)); // 1000 +- 5 standard deviations
    }

    [Fact]
    public void Each_epoch_takes_every_example_once_across_batches()
    {
        var order = new ExampleOrder(7, 3, shuffle: true, seed: 1);
        int[] taken = [.. Enumerable.Range(0, 7).SelectMany(step => order.Batch(step))];
        foreach (int[] epoch in taken.Chunk(7)) Assert.Equal(Enumerable.Range(0, 7), epoch.Order());
        Assert.NotEqual(taken[..7], taken[7..14]);
        Assert.Equal(taken[6..9], order.Batch(2));
    }

    public void Dispose()
    {
        scope.Dispose();
        model.Dispose();
    }
}
