using Parsimony.Activations;
using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>The activations that b_dec's start and the scale are measured on: the first batches of a run, which it is trained on as well.</summary>
internal static class FirstSample
{
    /// <summary>Reads whole batches until there are enough tokens, then puts the source back to where it stood.</summary>
    /// <param name="source">Where from.</param>
    /// <param name="input">Hook point that is read.</param>
    /// <param name="output">Hook point that is written; may be the same.</param>
    /// <param name="tokens">How many at least.</param>
    /// <param name="cancellation">Stops a long harvest.</param>
    /// <returns><c>[n, d_model]</c> and <c>[n, d_out]</c>, of the same tokens; the caller's.</returns>
    /// <exception cref="OperationCanceledException">Cancelled; the source stands where it stood.</exception>
    public static (Tensor X, Tensor Target) Take(IActivationSource source, HookPoint input, HookPoint output, long tokens, CancellationToken cancellation)
    {
        using var scope = NewDisposeScope();
        var start = source.Position;
        try
        {
            var batches = new List<ActivationBatch>();
            for (long n = 0; n < tokens; n += source.BatchTokens) batches.Add(source.Next(cancellation));
            var x = cat([.. batches.Select(b => b.At(input))]);
            var target = input == output ? x : cat([.. batches.Select(b => b.At(output))]);
            if (input != output) target.MoveToOuterDisposeScope();
            return (x.MoveToOuterDisposeScope(), target);
        }
        finally
        {
            source.Position = start;
        }
    }
}
