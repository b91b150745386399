using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Policy;

/// <summary>What policy and reference say of a rollout's tokens; <c>[batch, seq]</c> of the responses, without gradient, 0 outside the mask.</summary>
/// <param name="LogProbs">ln p under the policy that sampled them.</param>
/// <param name="ReferenceLogProbs">ln p_ref.</param>
/// <param name="FullKl">The exact KL from policy to reference over the vocabulary, nats.</param>
/// <param name="Entropies">The policy's entropy, nats.</param>
/// <param name="ReferenceHidden">The reference's last residual stream after its final norm, where the token was chosen, <c>[batch, seq, d_model]</c>; null
/// where it was not asked for.</param>
internal sealed record PolicyScores(Tensor LogProbs, Tensor ReferenceLogProbs, Tensor FullKl, Tensor Entropies, Tensor? ReferenceHidden) : IDisposable
{
    /// <summary>The KL penalty of each token, nats.</summary>
    public Tensor Kl(KlPenaltyKind kind) =>
        kind is KlPenaltyKind.Full ? FullKl.alias() : KlPenalty.PerToken(kind, LogProbs, ReferenceLogProbs);

    public void Dispose()
    {
        foreach (var t in (Tensor?[])[LogProbs, ReferenceLogProbs, FullKl, Entropies, ReferenceHidden]) t?.Dispose();
    }
}
