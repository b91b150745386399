namespace Parsimony.Evaluation;

/// <summary>Windows in batches, with the progress, the cancellation and the checkpoint that every evaluation shares.</summary>
/// <param name="windows">What is evaluated on.</param>
/// <param name="batchWindows">Windows of a forward pass, 1 or more.</param>
/// <param name="stages">The names of the passes over the windows, in their order.</param>
/// <param name="progress">Told after every batch.</param>
/// <param name="checkpoint">Where sums are kept and go on from; null: nowhere.</param>
/// <param name="cancellation">Ends the evaluation between two batches.</param>
internal sealed class EvaluationBatches(
    EvaluationWindows windows, int batchWindows, string[] stages, IProgress<EvaluationProgress>? progress, EvaluationCheckpoint? checkpoint, CancellationToken cancellation)
{
    private readonly int batches = batchWindows >= 1 ? (windows.Count + batchWindows - 1) / batchWindows
        : throw new ArgumentOutOfRangeException(nameof(batchWindows), batchWindows, "a forward pass needs one window or more.");
    private readonly Dictionary<string, IPartialSums> sums = [];

    /// <summary>Sums that the batches add to: they go on from the checkpoint, and are in the next one.</summary>
    public T Keep<T>(string name, T partial) where T : IPartialSums
    {
        checkpoint?.Restore(name, partial);
        sums[name] = partial;
        return partial;
    }

    /// <summary>The batches that a stage still has to do, in order; a batch counts as done when the next one is asked for.</summary>
    public IEnumerable<EvaluationWindow[]> Each(string stage)
    {
        int number = Array.IndexOf(stages, stage);
        var (first, done) = checkpoint is null ? (0, 0L) : checkpoint.Done(number) ?? (batches, windows.Tokens);
        for (int batch = first; batch < batches; batch++)
        {
            if (cancellation.IsCancellationRequested && batch > first) Save(batch);
            cancellation.ThrowIfCancellationRequested();
            int start = batch * batchWindows;
            var here = new EvaluationWindow[Math.Min(batchWindows, windows.Count - start)];
            for (int i = 0; i < here.Length; i++) here[i] = windows[start + i];
            yield return here;
            done += here.Sum(w => (long)w.New);
            progress?.Report(new EvaluationProgress(stage, done, windows.Tokens));
            if (batch + 1 == batches || checkpoint?.IsDue == true) Save(batch + 1);
        }

        void Save(int batchesDone) => checkpoint?.Save(new(number, batchesDone, done, number * windows.Tokens + done), sums);
    }
}
