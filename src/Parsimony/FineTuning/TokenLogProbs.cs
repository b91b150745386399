using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning;

/// <summary>
/// Log-probabilities of given tokens, and the entropy of what they were chosen from, in nats: the gather of log_softmax(logits / T) in
/// float32. A temperature other than 1 belongs here, too, when the tokens were sampled with it (Huang et al. 2024, "The N implementation
/// details of RLHF with PPO").
/// </summary>
/// <param name="LogProbs">ln p(token), <c>[batch, seq]</c>; 0 outside the mask.</param>
/// <param name="Entropies">Entropy over the vocabulary at each position, <c>[batch, seq]</c>, without gradient; 0 outside the mask.</param>
public sealed record TokenLogProbs(Tensor LogProbs, Tensor Entropies) : IDisposable
{
    /// <summary>ln p of each target.</summary>
    /// <param name="logits"><c>[.., d_vocab]</c>.</param>
    /// <param name="targets">Token ids, <c>[..]</c>, int64, all within the vocabulary.</param>
    /// <param name="temperature">Above 0; the logits are divided by it. Default 1.</param>
    /// <returns><c>[..]</c>, float32, with the gradient of the logits.</returns>
    /// <exception cref="ArgumentException">The shapes do not fit, or the temperature is not above 0.</exception>
    public static Tensor Of(Tensor logits, Tensor targets, double temperature = 1)
    {
        Ensure(logits, targets, "logits", "d_vocab", temperature);
        using var scope = NewDisposeScope();
        return Chosen(Normalised(logits, temperature), targets).MoveToOuterDisposeScope();
    }

    /// <summary>Entropy of each position's distribution, <c>-sum_v p ln p</c>.</summary>
    /// <param name="logits"><c>[.., d_vocab]</c>.</param>
    /// <param name="temperature">Above 0. Default 1.</param>
    /// <returns><c>[..]</c>, float32, with the gradient of the logits.</returns>
    public static Tensor Entropy(Tensor logits, double temperature = 1)
    {
        using var scope = NewDisposeScope();
        return OfNormalised(Normalised(logits, temperature)).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The same from the residual stream, of the masked positions alone and some of them at a time: the logits of a whole batch are the
    /// largest tensor of a pass. No more than <paramref name="logitsAtATime"/> exist at once (but one position's, always), with gradient
    /// (<see cref="RowByRow"/>) or without, and the numbers have the same bits.
    /// </summary>
    /// <param name="unembed"><c>[positions, d_model]</c> to <c>[positions, d_vocab]</c>: <see cref="Transformer.Unembed"/>.</param>
    /// <param name="dVocab">Size of the vocabulary.</param>
    /// <param name="residual">What it is applied to, <c>[batch, seq, d_model]</c>; position t is what the token <c>targets[t]</c> was chosen from.</param>
    /// <param name="targets">Token ids, <c>[batch, seq]</c>, int64; outside the mask they may be anything.</param>
    /// <param name="mask">Bool, <c>[batch, seq]</c>.</param>
    /// <param name="temperature">Above 0. Default 1.</param>
    /// <param name="logitsAtATime">1 or more; null: those of 128 positions, or more where they take less than 2 MiB. Default null.</param>
    /// <param name="entropies">Whether they are wanted; else they are 0.</param>
    /// <exception cref="ArgumentException">The shapes do not fit, or a number is out of its range.</exception>
    public static TokenLogProbs FromResidual(
        Func<Tensor, Tensor> unembed, int dVocab, Tensor residual, Tensor targets, Tensor mask, double temperature = 1, long? logitsAtATime = null, bool entropies = true)
    {
        Ensure(residual, targets, "the residual stream", "d_model", temperature);
        ArgumentOutOfRangeException.ThrowIfLessThan(dVocab, 1);
        if (logitsAtATime is { } given) ArgumentOutOfRangeException.ThrowIfLessThan(given, 1);
        using var scope = NewDisposeScope();
        _ = Masked.Keep(targets, mask);                                          // the mask's shape and type
        var chosen = mask.reshape(-1).nonzero().squeeze(-1);                     // [positions]
        var (x, y) = (residual.reshape(-1, residual.size(-1)).index_select(0, chosen), targets.reshape(-1).index_select(0, chosen));
        var entropy = zeros(chosen.size(0), device: residual.device);
        var logProbs = RowByRow.Of((rows, from) =>
        {
            using var part = NewDisposeScope();
            var logP = Normalised(unembed(rows), temperature);                           // [rows, d_vocab]
            using (no_grad()) if (entropies) entropy.narrow(0, from, rows.size(0)).copy_(OfNormalised(logP));
            return Chosen(logP, y.narrow(0, from, rows.size(0))).MoveToOuterDisposeScope();
        }, x, logitsAtATime is { } most ? (int)Math.Clamp(most / dVocab, 1, int.MaxValue) : RowByRow.Rows(dVocab));
        Tensor Spread(Tensor of) =>
            zeros(targets.numel(), device: residual.device).index_copy(0, chosen, of).view(targets.shape).MoveToOuterDisposeScope();
        return new TokenLogProbs(Spread(logProbs), Spread(entropy));
    }

    /// <summary>ln p of the targets from what <see cref="Normalised"/> gives.</summary>
    internal static Tensor Chosen(Tensor logP, Tensor targets) => logP.gather(-1, targets.unsqueeze(-1)).squeeze(-1);

    /// <summary>log_softmax(logits / T), float32.</summary>
    internal static Tensor Normalised(Tensor logits, double temperature)
    {
        var x = logits.to(ScalarType.Float32);
        return (temperature == 1 ? x : x / temperature).log_softmax(-1);
    }

    /// <summary>The entropy of what <see cref="Normalised"/> gives. p ln p is 0 where p is 0, also where ln p is minus infinity: a token that is masked out of the vocabulary.</summary>
    internal static Tensor OfNormalised(Tensor logP) => (logP.exp() * logP.masked_fill(logP.isneginf(), 0)).sum(-1).neg();

    private static void Ensure(Tensor x, Tensor targets, string what, string lastAxis, double temperature)
    {
        if (x.dim() != targets.dim() + 1 || !x.shape.AsSpan(0, x.shape.Length - 1).SequenceEqual(targets.shape) || targets.dtype != ScalarType.Int64)
            throw new ArgumentException($"{what} is [{string.Join(", ", x.shape)}] and the targets are {targets.dtype} [{string.Join(", ", targets.shape)}]; "
                + $"expected [.., {lastAxis}] and Int64 [..]: one token for each position.");
        if (!(temperature > 0) || !double.IsFinite(temperature)) throw new ArgumentException(
            $"the temperature is {temperature}; it must be above 0. For greedy choice compare logits instead.", nameof(temperature));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        LogProbs.Dispose();
        Entropies.Dispose();
    }
}
