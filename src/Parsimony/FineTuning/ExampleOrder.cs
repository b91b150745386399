namespace Parsimony.FineTuning;

/// <summary>Which examples each step takes: one epoch after another without a gap, each in its own order. A pure function of the step.</summary>
internal sealed class ExampleOrder(int count, SftOptions options)
{
    private long epoch = -1;
    private int[] order = [];

    /// <summary>The examples of a step, by index.</summary>
    public int[] Batch(long step)
    {
        var batch = new int[options.BatchSize];
        for (int i = 0; i < batch.Length; i++)
        {
            long position = step * options.BatchSize + i;
            Enter(position / count);
            batch[i] = order[position % count];
        }
        return batch;
    }

    private void Enter(long wanted)
    {
        if (wanted == epoch) return;
        epoch = wanted;
        order = options.Shuffle ? Permutation.Draw(count, options.Seed, RandomUse.ExampleOrder, epoch) : [.. Enumerable.Range(0, count)];
    }
}
