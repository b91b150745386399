using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Rewards.Trained;

/// <summary>The mean and standard deviation of each number that is read, over the training texts; what a head learns on is <c>(x - mean) / deviation</c>, or x itself.</summary>
/// <param name="Mean"><c>[width]</c>, float32.</param>
/// <param name="Scale">1 / deviation, 0 where a number is always the same, as that of a latent that never fires; <c>[width]</c>, float32. Null: x is learnt on as it is.</param>
internal sealed record RewardStandard(Tensor Mean, Tensor? Scale)
{
    private const double Constant = 1e-6;   // less than this share of its mean is rounding
    private const int Chunk = 16;

    /// <summary>Measures it; the tensors are in the caller's scope.</summary>
    /// <exception cref="InvalidOperationException">What is read is not finite.</exception>
    public static RewardStandard Of(RewardReadings readings, int texts, bool standardise, IProgress<int>? progress, CancellationToken cancellation)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Tensor sum = zeros(readings.Width, ScalarType.Float64), squares = zeros(readings.Width, ScalarType.Float64);
        for (int first = 0; first < texts; first += Chunk)
        {
            using var inner = NewDisposeScope();
            int[] some = [.. Enumerable.Range(first, Math.Min(Chunk, texts - first))];
            var rows = readings.Rows(some, cancellation).to(ScalarType.Float64);
            sum.add_(rows.sum([0L]));
            squares.add_(rows.square().sum([0L]));
            progress?.Report(first + some.Length);
        }
        if (!squares.isfinite().all().item<bool>()) throw new InvalidOperationException(
            "what the model makes of the training texts is not finite. Use weights of more bits, or another hook point.");
        var mean = sum / texts;
        var deviation = (squares / texts - mean.square()).clamp_min(0).sqrt();
        var scale = where(deviation.le(mean.abs() * Constant), zeros_like(deviation), deviation.reciprocal());
        return new(mean.to(ScalarType.Float32).MoveToOuterDisposeScope(), standardise ? scale.to(ScalarType.Float32).MoveToOuterDisposeScope() : null);
    }

    /// <summary>What a head learns on.</summary>
    public Tensor Of(Tensor read) => Scale is null ? read : (read - Mean) * Scale;

    /// <summary>The head that gives on what is read as it is what a learnt one gives on <see cref="Of(Tensor)"/>; a new one, the caller's.</summary>
    public RewardHead Plain(RewardHead learnt)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        if (Scale is null) return RewardHead.Of(learnt.Weight, learnt.Bias);
        var weight = learnt.Weight * Scale;
        return RewardHead.Of(weight, learnt.Bias - weight.matmul(Mean));
    }
}
