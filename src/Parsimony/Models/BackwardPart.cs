using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>
/// Where the tensors of one custom backward step live. TorchSharp wraps the incoming gradient and what is returned in tensors of its own, which libtorch needs no longer than until the next step; on a
/// GPU it runs these steps on threads that have no dispose scope, where they would all live until the garbage collector comes by, which does not see the GPU's memory. Here each step frees what the
/// thread's last one left, on the processor too.
/// </summary>
internal sealed class BackwardPart : IDisposable
{
    [ThreadStatic]
    private static List<Tensor>? left; // by the last step of this thread; libtorch has taken it over

    private readonly DisposeScope scope = NewDisposeScope();
    private readonly List<Tensor> mine;

    private BackwardPart(Tensor gradient) => mine = [gradient];

    /// <summary>Begins a step; what is made until it is disposed of belongs to it.</summary>
    /// <param name="gradient">The gradient that was handed over.</param>
    public static BackwardPart Begin(Tensor gradient)
    {
        FreeLeft();
        return new(gradient);
    }

    /// <summary>What the step gives back: it lives until the thread's next step.</summary>
    /// <param name="results">One for each argument of the function; null for those without a gradient.</param>
    public List<Tensor> Give(params Tensor?[] results)
    {
        foreach (var result in results)
            if (result is not null)
            {
                result.DetachFromDisposeScope();
                mine.Add(result);
            }
        return [.. results.Select(result => result!)]; // TorchSharp takes null for none
    }

    public void Dispose()
    {
        scope.Dispose();
        FreeLeft(); // by steps within this one
        left = mine;
    }

    private static void FreeLeft()
    {
        foreach (var tensor in left ?? []) tensor.Dispose();
        left = null;
    }
}
