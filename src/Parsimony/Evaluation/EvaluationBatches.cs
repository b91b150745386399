namespace Parsimony.Evaluation;

/// <summary>Contexts in batches, with the checks, the progress and the cancellation that every evaluation shares.</summary>
internal sealed class EvaluationBatches
{
    private readonly IReadOnlyList<int[]> contexts;
    private readonly int batchContexts;
    private readonly IProgress<EvaluationProgress>? progress;
    private readonly CancellationToken cancellation;

    public EvaluationBatches(
        IReadOnlyList<int[]> contexts, int batchContexts, IProgress<EvaluationProgress>? progress, CancellationToken cancellation)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batchContexts, 1);
        if (contexts.Count == 0) throw new ArgumentException(
            "there is no context to evaluate on; the text is shorter than one context. Give more text or a smaller sequence length.",
            nameof(contexts));
        int shortest = contexts.Min(c => c.Length);
        if (shortest < 2) throw new ArgumentException(
            $"a context has {shortest} tokens; expected 2 or more in each: one to predict, and one to predict it from.", nameof(contexts));
        (this.contexts, this.batchContexts, this.progress, this.cancellation) = (contexts, batchContexts, progress, cancellation);
        Tokens = contexts.Sum(c => (long)c.Length);
    }

    /// <summary>Tokens in all contexts.</summary>
    public long Tokens { get; }

    /// <summary>The batches in order; a batch counts as done when the next one is asked for.</summary>
    public IEnumerable<int[][]> Each(string stage)
    {
        long done = 0;
        foreach (var batch in contexts.Chunk(batchContexts))
        {
            cancellation.ThrowIfCancellationRequested();
            yield return batch;
            done += batch.Sum(c => (long)c.Length);
            progress?.Report(new EvaluationProgress(stage, done, Tokens));
        }
    }
}
