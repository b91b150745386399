using static TorchSharp.torch;

namespace Parsimony.Tests;

/// <summary>Random tensors that are the same in every run.</summary>
internal static class Drawn
{
    public static Tensor Normal(long seed, params long[] shape)
    {
        using var generator = new Generator((ulong)seed, CPU);
        return randn(shape, generator: generator);
    }
}
