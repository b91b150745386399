using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Policy;

/// <summary>
/// Generalised advantage estimation (Schulman et al. 2016, equation 16): <c>A_t = sum_k (gamma lambda)^k delta_{t+k}</c> with
/// <c>delta_t = r_t + gamma V_{t+1} - V_t</c> and V = 0 after the last token. Returns are <c>A + V</c>, both not whitened.
/// </summary>
/// <param name="Advantages"><c>[batch, seq]</c>; 0 outside the mask.</param>
/// <param name="Returns"><c>[batch, seq]</c>, what the value head is to predict; 0 outside the mask.</param>
public sealed record Gae(Tensor Advantages, Tensor Returns) : IDisposable
{
    /// <summary>Estimates. There is no gradient through it.</summary>
    /// <param name="rewards"><c>[batch, seq]</c>.</param>
    /// <param name="values">V_t, the value before token t was sampled, <c>[batch, seq]</c>.</param>
    /// <param name="mask">Bool, <c>[batch, seq]</c>; in each row the true positions lie side by side.</param>
    /// <param name="gamma">Discount per token, 0 to 1. Default 1.</param>
    /// <param name="lambda">0 (one step, all value) to 1 (the whole return). Default 0.95.</param>
    public static Gae Of(Tensor rewards, Tensor values, Tensor mask, double gamma = 1, double lambda = 0.95)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var (r, v) = (Masked.Keep(rewards, mask), Masked.Keep(values, mask));
        long seq = r.size(1);
        var columns = new Tensor[seq];
        var advantage = zeros_like(r.select(1, 0));                          // [batch], of the column after
        var nextValue = advantage;
        for (long t = seq - 1; t >= 0; t--)
        {
            var value = v.select(1, t);
            advantage = r.select(1, t) + gamma * nextValue - value + gamma * lambda * advantage;
            (columns[t], nextValue) = (advantage, value);
        }
        var advantages = Masked.Keep(stack(columns, 1), mask);
        return new Gae(advantages.MoveToOuterDisposeScope(), (advantages + v).MoveToOuterDisposeScope());
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Advantages.Dispose();
        Returns.Dispose();
    }
}
