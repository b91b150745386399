using Parsimony.Autoencoders;
using Parsimony.Models;
using static TorchSharp.torch;

namespace Parsimony.Tests.Splicing;

/// <summary>SAEs for <see cref="Some.Model"/>.</summary>
internal static class TinySae
{
    public const int DModel = 16, DSae = 40;

    public static readonly HookPoint At = new(1, HookSite.MlpOut);

    /// <summary>Random weights; about half of the latents fire on a token.</summary>
    public static StandardSae Random(int dModel = DModel, int dSae = DSae, ulong seed = 3)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(seed, CPU);
        Tensor Draw(params long[] shape) => randn(shape, generator: generator);
        return new StandardSae(Draw(dModel, dSae) * 0.4, Draw(dSae, dModel) * 0.3, Draw(dSae) * 0.2, Draw(dModel) * 0.1);
    }

    /// <summary>One that reconstructs everything exactly: x = relu(x) - relu(-x).</summary>
    public static StandardSae Exact()
    {
        using var scope = NewDisposeScope();
        var identity = eye(DModel);
        return new StandardSae(cat([identity, -identity], 1), cat([identity, -identity], 0), zeros(2 * DModel), zeros(DModel));
    }

    /// <summary>The largest difference between two tensors' elements.</summary>
    public static double Distance(Tensor a, Tensor b) => (a - b).abs().max().item<float>();
}
