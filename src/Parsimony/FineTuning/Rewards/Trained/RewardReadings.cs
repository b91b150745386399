using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Rewards.Trained;

/// <summary>What was read of texts, kept within a budget: the model is frozen, so each is run once. Each is run by itself, so that what is read does not depend on what
/// stands beside it, nor on what is kept.</summary>
internal sealed class RewardReadings : IDisposable
{
    private readonly RewardReader reader;
    private readonly IReadOnlyList<JudgedText> texts;
    private readonly Tensor kept;       // [as many as the budget holds, width]
    private readonly bool[] known;

    /// <summary>None is read yet.</summary>
    public RewardReadings(RewardReader reader, IReadOnlyList<JudgedText> texts, long budgetBytes)
    {
        (this.reader, this.texts) = (reader, texts);
        known = new bool[Math.Min(texts.Count, budgetBytes / (sizeof(float) * reader.Width))];
        kept = zeros(known.Length, reader.Width).DetachFromDisposeScope();
    }

    /// <summary>How many numbers are read of a text.</summary>
    public int Width => reader.Width;

    /// <summary>Texts run through the model so far.</summary>
    public long TextsRead { get; private set; }

    /// <summary>Of some texts, <c>[n, width]</c>, float32, without gradient.</summary>
    public Tensor Rows(IReadOnlyList<int> indices, CancellationToken cancellation)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        return stack(indices.Select(i =>
        {
            cancellation.ThrowIfCancellationRequested();
            if (i < known.Length && known[i]) return kept[i];
            var read = reader.Read([texts[i]])[0];
            TextsRead++;
            if (i < known.Length)
            {
                kept[i].copy_(read);
                known[i] = true;
            }
            return read;
        }), 0).MoveToOuterDisposeScope();
    }

    public void Dispose() => kept.Dispose();
}
