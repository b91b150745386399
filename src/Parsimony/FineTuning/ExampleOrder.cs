namespace Parsimony.FineTuning;

/// <summary>Which examples each step takes: one epoch after another without a gap, each in its own order. A pure function of the step.</summary>
internal sealed class ExampleOrder(int count, int batchSize, bool shuffle, long seed)
{
    private long epoch = -1;
    private int[] order = [];

    /// <summary>The examples of a step, by index.</summary>
    public int[] Batch(long step)
    {
        var batch = new int[batchSize];
        for (int i = 0; i < batch.Length; i++)
        {
            long position = step * batchSize + i;
            Enter(position / count);
            batch[i] = order[position % count];
        }
        return batch;
    }

    private void Enter(long wanted)
    {
        if (wanted == epoch) return;
        epoch = wanted;
        order = shuffle ? Permutation.Draw(count, seed, RandomUse.ExampleOrder, epoch) : [.. Enumerable.Range(0, count)];
    }
}
