using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Policy;

/// <summary>
/// <c>(x - mean) / sqrt(var + 1e-8)</c> over the true positions of a mask, var with n - 1 (Huang et al. 2024, detail "whiten").
/// Advantages are whitened with their mean shifted to 0, rewards without.
/// </summary>
public static class Whitening
{
    private const double Epsilon = 1e-8;

    /// <summary>Whitens.</summary>
    /// <param name="x"><c>[batch, seq]</c>.</param>
    /// <param name="mask">Bool, <c>[batch, seq]</c>.</param>
    /// <param name="shiftMean">False puts the mean back afterwards, as is done with rewards. Default true.</param>
    /// <returns><c>[batch, seq]</c>; 0 outside the mask.</returns>
    public static Tensor Of(Tensor x, Tensor mask, bool shiftMean = true)
    {
        using var scope = NewDisposeScope();
        var mean = Masked.Mean(x, mask);
        var whitened = (x - mean) * (Masked.Variance(x, mask) + Epsilon).rsqrt();
        return Masked.Keep(shiftMean ? whitened : whitened + mean, mask).MoveToOuterDisposeScope();
    }
}
