using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Parsimony.Models;

/// <summary>
/// The normalisation in front of a sub-block: layer norm (Ba et al. 2016) where there is a bias, else RMS norm
/// (Zhang and Sennrich 2019), which neither centres nor shifts.
/// </summary>
/// <param name="gain"><c>[d_model]</c>; owned.</param>
/// <param name="bias"><c>[d_model]</c>, owned; null for RMS norm.</param>
/// <param name="epsilon">Added to the variance or to the mean square.</param>
internal sealed class Norm(Tensor gain, Tensor? bias, double epsilon) : IDisposable
{
    /// <summary>Bytes it takes in memory.</summary>
    public long Bytes => (gain.numel() + (bias?.numel() ?? 0)) * sizeof(float);

    /// <summary><c>[.., d_model]</c> to the same.</summary>
    public Tensor Apply(Tensor x)
    {
        if (bias is not null) return layer_norm(x, [gain.size(0)], gain, bias, epsilon);
        using var scope = NewDisposeScope();
        return (x * (x.square().mean([-1], keepdim: true) + epsilon).rsqrt() * gain).MoveToOuterDisposeScope();
    }

    /// <summary>What becomes of directions <c>[n, d_model]</c> but for the division by the token's own norm.</summary>
    public Tensor Directions(Tensor x)
    {
        if (bias is null) return x * gain;
        using var scope = NewDisposeScope();
        return ((x - x.mean([-1], keepdim: true)) * gain).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        gain.Dispose();
        bias?.Dispose();
    }
}
