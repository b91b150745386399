using Parsimony.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Evaluation;

/// <summary>Measures an autoencoder or transcoder on activations alone, without a model.</summary>
public static class ReconstructionEvaluation
{
    /// <summary>Measures how <paramref name="sae"/> reconstructs activations.</summary>
    /// <param name="sae">Of any architecture; not owned.</param>
    /// <param name="input">What it reads, <c>[.., d_model]</c>, one token or more.</param>
    /// <param name="target">What it shall give, <c>[.., d_out]</c>, of the same tokens; null: <paramref name="input"/>, for autoencoders.</param>
    /// <param name="batchTokens">Tokens encoded at once, 1 or more; the figures do not depend on it.</param>
    /// <exception cref="ArgumentException">The shapes do not fit, or a transcoder has no target.</exception>
    public static ReconstructionReport Run(ISparseAutoencoder sae, Tensor input, Tensor? target = null, int batchTokens = 4096)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batchTokens, 1);
        if (target is null && sae is Transcoder) throw new ArgumentException(
            $"a {sae.Architecture} reads one activation and gives another; give the other one as target.", nameof(target));
        var expected = target ?? input;
        if (input.size(-1) != sae.DModel || expected.size(-1) != sae.DOut || input.numel() / sae.DModel != expected.numel() / sae.DOut
            || input.numel() == 0)
            throw new ArgumentException($"input has shape [{string.Join(", ", input.shape)}] and target [{string.Join(", ", expected.shape)}]; "
                + $"expected [.., {sae.DModel}] and [.., {sae.DOut}] of the same tokens, at least one.");
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Tensor rows = input.reshape(-1, sae.DModel).to(ScalarType.Float32), wanted = expected.reshape(-1, sae.DOut).to(ScalarType.Float32);
        using var statistics = new ReconstructionStatistics(sae);
        foreach (var (x, y) in Batches())
        {
            using var step = NewDisposeScope();
            statistics.Add(y, sae.Reconstruct(x), sae.Encode(x));
        }
        foreach (var (_, y) in Batches()) statistics.AddDeviations(y);
        return statistics.Report();

        IEnumerable<(Tensor X, Tensor Y)> Batches()
        {
            for (long start = 0; start < rows.size(0); start += batchTokens)
            {
                long count = Math.Min(batchTokens, rows.size(0) - start);
                yield return (rows.narrow(0, start, count), wanted.narrow(0, start, count));
            }
        }
    }
}
