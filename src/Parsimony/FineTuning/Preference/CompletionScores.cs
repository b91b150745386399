using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Preference;

/// <summary>How likely the policy and the reference find some completions.</summary>
/// <param name="Policy">Sum of ln p over each completion's tokens, <c>[batch]</c>, with gradient.</param>
/// <param name="Reference">The same under the reference, <c>[batch]</c>; null for a loss without one.</param>
/// <param name="Tokens">Tokens of each completion, its end of text included, 1 or more, <c>[batch]</c>.</param>
public sealed record CompletionScores(Tensor Policy, Tensor? Reference, Tensor Tokens)
{
    /// <summary>Sums of log-probabilities of tokens.</summary>
    /// <param name="policy">ln p, <c>[batch, seq]</c>; see <see cref="TokenLogProbs"/>.</param>
    /// <param name="reference">The same under the reference, <c>[batch, seq]</c>, or null.</param>
    /// <param name="mask">Bool, <c>[batch, seq]</c>: the completion's tokens.</param>
    public static CompletionScores Of(Tensor policy, Tensor? reference, Tensor mask) => new(
        Masked.SumPerRow(policy, mask), reference is null ? null : Masked.SumPerRow(reference.detach(), mask), mask.sum([1L]));

    /// <summary>ln p - ln p_ref of each completion, <c>[batch]</c>; ln p alone without a reference.</summary>
    /// <param name="averaged">Divided by the completion's length.</param>
    public Tensor LogRatios(bool averaged = false)
    {
        using var scope = NewDisposeScope();
        var ratios = Reference is null ? Policy.alias() : Policy - Reference.detach();
        return (averaged ? ratios / Tokens : ratios).MoveToOuterDisposeScope();
    }
}
