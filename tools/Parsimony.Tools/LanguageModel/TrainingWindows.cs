namespace Parsimony.Tools.LanguageModel;

/// <summary>
/// The corpus as windows of <c>sequence + 1</c> tokens (input and target shifted by one). Every epoch cuts at another offset and shuffles
/// anew, both from the seed and the epoch alone: where a run stands follows from the number of windows it has seen.
/// </summary>
public sealed class TrainingWindows(int[] tokens, int sequenceLength, long seed)
{
    private readonly int perEpoch = (tokens.Length - 1) / sequenceLength - 1;
    private int epoch = -1, offset;
    private int[] order = [];

    /// <summary>Windows of one epoch.</summary>
    public int PerEpoch => perEpoch;

    /// <summary>Copies the window of this number, counted from 0 over all epochs.</summary>
    /// <param name="number">0 or more.</param>
    /// <param name="into">Takes <c>sequence + 1</c> ids.</param>
    public void Copy(long number, Span<long> into)
    {
        Shuffle((int)(number / perEpoch));
        int start = offset + order[number % perEpoch] * sequenceLength;
        for (int i = 0; i <= sequenceLength; i++) into[i] = tokens[start + i];
    }

    private void Shuffle(int wanted)
    {
        if (wanted == epoch) return;
        epoch = wanted;
        var random = new Random(unchecked((int)(seed * 1_000_003 + epoch)));
        offset = random.Next(sequenceLength);
        order = [.. Enumerable.Range(0, perEpoch)];
        random.Shuffle(order);
    }
}
