namespace Parsimony.Evaluation;

/// <summary>The tokens of one forward pass, and which of them count.</summary>
/// <param name="Ids">Token ids, 2 or more.</param>
/// <param name="Seen">How many of the first of them an earlier window has counted: here they are context only. 0: all count.</param>
public readonly record struct EvaluationWindow(int[] Ids, int Seen)
{
    /// <summary>Tokens that count.</summary>
    public int New => Ids.Length - Seen;

    /// <summary>The first token to be predicted: one that counts and has another before it.</summary>
    internal int FirstPredicted => Math.Max(1, Seen);
}
