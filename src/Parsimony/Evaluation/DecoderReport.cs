using Parsimony.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Parsimony.Evaluation;

/// <summary>How the latents' directions lie to each other; of the weights alone, no text needed. A row of zeros has cosine 0 with all.</summary>
public sealed record DecoderReport
{
    /// <summary>Mean over latents of the largest cosine of their decoder row with another's, -1 to 1; near 1 latents are copies. NaN for one latent.</summary>
    public required double MaxCosineMean { get; init; }

    /// <summary>The 0.95 quantile of the same, interpolated linearly.</summary>
    public required double MaxCosineP95 { get; init; }

    /// <summary>Mean over latents of the cosine of encoder column and decoder row, -1 to 1; 1 is tied. null for transcoders, which read
    /// another space than they write, and where there is no <c>W_enc</c>.</summary>
    public double? EncoderCosineMean { get; init; }

    /// <summary>Measures an autoencoder of any architecture; d_sae² d_out multiplications, half of the pairs being the other half mirrored.</summary>
    /// <param name="sae">Not owned.</param>
    /// <param name="progress">Told the pairs of latents compared so far, of <see cref="Pairs"/>.</param>
    /// <param name="cancellation">Ends the measurement between two blocks.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static DecoderReport Of(ISparseAutoencoder sae, IProgress<long>? progress = null, CancellationToken cancellation = default)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var rows = DecoderCosines.Directions(sae);     // [d_sae, d_out]
        var largest = full(sae.DSae, double.NegativeInfinity, ScalarType.Float32, rows.device);
        long compared = 0;
        DecoderCosines.Each(rows, rows, 0, sae.DSae, (from, cosines) =>
        {
            Raise(largest.narrow(0, from, cosines.size(0)), cosines.amax([1L]));
            Raise(largest.narrow(0, from, cosines.size(1)), cosines.amax([0L]));
            progress?.Report(compared += Pairs(cosines.size(1)) - Pairs(cosines.size(1) - cosines.size(0)));
        }, upper: true, cancellation);
        var sorted = largest.to(ScalarType.Float64);
        return new DecoderReport
        {
            MaxCosineMean = sae.DSae < 2 ? double.NaN : sorted.mean().item<double>(),
            MaxCosineP95 = sae.DSae < 2 ? double.NaN : quantile(sorted, tensor(0.95, ScalarType.Float64, sorted.device)).item<double>(),
            EncoderCosineMean = sae is not Transcoder && sae.Weights.TryGetValue("W_enc", out var wEnc)
                ? (normalize(wEnc.to(ScalarType.Float32), dim: 0).t() * rows).sum(1, type: ScalarType.Float64).mean().item<double>() : null,
        };
    }

    /// <summary>Pairs of so many latents.</summary>
    public static long Pairs(long latents) => latents * (latents - 1) / 2;

    private static void Raise(Tensor largest, Tensor candidates) => largest.copy_(maximum(largest, candidates));
}
