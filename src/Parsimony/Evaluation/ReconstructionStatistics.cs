using Parsimony.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Evaluation;

/// <summary>
/// Sums over tokens from which <see cref="ReconstructionReport"/> and the mean activation follow. What needs the mean needs the
/// activations again: <see cref="Add"/> all batches, then <see cref="AddDeviations"/> all of them in the same order.
/// </summary>
internal sealed class ReconstructionStatistics : IPartialSums, IDisposable
{
    private readonly Tensor sum;                    // [d_out], float64
    private readonly Tensor fired;                  // [d_sae], int64
    private readonly ExplainedVariance explained = new();
    private readonly List<double> squaredResiduals = []; // one per token: 8 bytes, where the token itself would be 4 d_out
    private double latents, cosines, ratios, squaredNorms, products, legacy;
    private long tokensWithNorm, tokensOffMean, deviationsSeen;

    public ReconstructionStatistics(ISparseAutoencoder sae)
    {
        sum = zeros(sae.DOut, ScalarType.Float64, CPU).DetachFromDisposeScope();
        fired = zeros(sae.DSae, ScalarType.Int64, CPU).DetachFromDisposeScope();
    }

    /// <summary>Counts tokens.</summary>
    /// <param name="x">What shall be given, <c>[tokens, d_out]</c>.</param>
    /// <param name="xHat">What is given, <c>[tokens, d_out]</c>.</param>
    /// <param name="f">The latents, <c>[tokens, d_sae]</c>.</param>
    public void Add(Tensor x, Tensor xHat, Tensor f)
    {
        using var scope = NewDisposeScope();
        var residual = x - xHat;
        explained.Add(x, residual);
        sum.add_(x.sum(0, type: ScalarType.Float64).cpu());
        fired.add_(f.gt(0).sum(0, type: ScalarType.Int64).cpu()); // sum(0) alone would take 0 for a type
        latents += f.sum(ScalarType.Float64).item<double>();

        var (exact, given) = (x.to(ScalarType.Float64), xHat.to(ScalarType.Float64));
        double[] xx = Rows(exact.square()), hh = Rows(given.square()), xh = Rows(exact * given);
        for (int t = 0; t < xx.Length; t++)
        {
            squaredNorms += hh[t];
            products += xh[t];
            if (xx[t] == 0) continue;
            tokensWithNorm++;
            ratios += Math.Sqrt(hh[t] / xx[t]);
            if (hh[t] > 0) cosines += xh[t] / Math.Sqrt(xx[t] * hh[t]);
        }
        squaredResiduals.AddRange(Rows(residual.to(ScalarType.Float64).square()));
    }

    /// <summary>Counts the same tokens against the mean of all.</summary>
    /// <param name="x">As given to <see cref="Add"/>.</param>
    public void AddDeviations(Tensor x)
    {
        using var scope = NewDisposeScope();
        var exact = x.to(ScalarType.Float64);
        double[] deviations = Rows((exact - (sum / explained.Tokens).to(exact.device)).square()), squares = Rows(exact.square());
        for (int t = 0; t < deviations.Length; t++)
        {
            double residual = squaredResiduals[checked((int)deviationsSeen++)];
            if (deviations[t] <= 1e-14 * squares[t]) continue; // at the mean, but for the mean's own rounding
            tokensOffMean++;
            legacy += 1 - residual / deviations[t];
        }
    }

    /// <summary>The mean activation, <c>[d_out]</c>, float32; the caller owns it.</summary>
    public Tensor Mean()
    {
        using var scope = NewDisposeScope();
        return (sum / explained.Tokens).to(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    public ReconstructionReport Report() => new()
    {
        Mse = explained.SquaredResidual / explained.Tokens,
        ExplainedVariance = explained.Value,
        ExplainedVarianceLegacy = legacy / tokensOffMean,
        Cosine = cosines / tokensWithNorm,
        L2Ratio = ratios / tokensWithNorm,
        RelativeReconstructionBias = squaredNorms / products,
        L1 = latents / explained.Tokens,
        Sparsity = SparsityReport.FromCounts(fired.data<long>().ToArray(), explained.Tokens),
    };

    public IReadOnlyDictionary<string, double[]> Save() => new Dictionary<string, double[]>
    {
        ["sum"] = sum.data<double>().ToArray(),
        ["fired"] = [.. fired.data<long>().Select(count => (double)count)],
        ["explained"] = explained.Save(),
        ["squared_residuals"] = [.. squaredResiduals],
        ["scalars"] = [latents, cosines, ratios, squaredNorms, products, legacy, tokensWithNorm, tokensOffMean, deviationsSeen],
    };

    public void Restore(IReadOnlyDictionary<string, double[]> saved)
    {
        using var scope = NewDisposeScope();
        sum.copy_(tensor(saved["sum"], ScalarType.Float64));
        fired.copy_(tensor(saved["fired"], ScalarType.Float64));
        explained.Restore(saved["explained"]);
        squaredResiduals.Clear();
        squaredResiduals.AddRange(saved["squared_residuals"]);
        double[] s = saved["scalars"];
        (latents, cosines, ratios, squaredNorms, products, legacy) = (s[0], s[1], s[2], s[3], s[4], s[5]);
        (tokensWithNorm, tokensOffMean, deviationsSeen) = ((long)s[6], (long)s[7], (long)s[8]);
    }

    private static double[] Rows(Tensor squares)
    {
        using var sums = squares.sum(1).cpu();
        return sums.data<double>().ToArray();
    }

    public void Dispose()
    {
        sum.Dispose();
        fired.Dispose();
    }
}
