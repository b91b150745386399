using System.Runtime.ExceptionServices;
using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>Gradients through a model of which parts may be run again in the backward pass.</summary>
public static class Gradients
{
    /// <summary>The gradient of a scalar; what fails in a part that is run again, such as for want of memory, is thrown here.</summary>
    /// <param name="loss">A scalar.</param>
    /// <param name="wanted">The tensors to differentiate by.</param>
    /// <returns>One for each, in their order; they belong to the caller's scope.</returns>
    public static IList<Tensor> Of(Tensor loss, params IList<Tensor> wanted) => Of(loss, wanted, keepGraph: false);

    /// <summary>The same of one of several scalars that share a pass.</summary>
    /// <param name="loss">A scalar.</param>
    /// <param name="wanted">The tensors to differentiate by.</param>
    /// <param name="keepGraph">Whether another gradient of the same pass will be asked for.</param>
    /// <returns>One for each, in their order; they belong to the caller's scope.</returns>
    internal static IList<Tensor> Of(Tensor loss, IList<Tensor> wanted, bool keepGraph)
    {
        Recompute.TakeFault();
        var gradients = autograd.grad([loss], wanted, retain_graph: keepGraph);
        if (Recompute.TakeFault() is { } fault) ExceptionDispatchInfo.Throw(fault);
        return gradients;
    }
}
