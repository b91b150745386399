using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Tools.LanguageModel;

/// <summary>The nearest orthogonal matrix, roughly and fast.</summary>
public static class Orthogonalise
{
    /// <summary>
    /// Five Newton-Schulz steps with the quintic of Jordan et al. 2024 ("Muon: an optimizer for hidden layers"): singular values end
    /// between about 0.7 and 1.2.
    /// </summary>
    /// <param name="matrices"><c>[n, rows, cols]</c> with rows no more than cols.</param>
    /// <returns><c>[n, rows, cols]</c>.</returns>
    public static Tensor NewtonSchulz(Tensor matrices)
    {
        const double a = 3.4445, b = -4.7750, c = 2.0315;
        using var scope = NewDisposeScope();
        var x = matrices / (matrices.square().sum([-2, -1], keepdim: true).sqrt() + 1e-7);
        for (int step = 0; step < 5; step++)
        {
            var gram = x.bmm(x.transpose(-2, -1));
            var polynomial = gram.bmm(gram).mul_(c).add_(gram, alpha: b);
            x = polynomial.bmm(x).add_(x, alpha: a);
        }
        return x.MoveToOuterDisposeScope();
    }
}
