using static TorchSharp.torch;

namespace Parsimony.Models.TorchFiles;

/// <summary>One tensor of a <see cref="TorchFile"/>: its type and shape, and where it lies.</summary>
public sealed class TorchTensor
{
    internal TorchTensor(long[] shape, long[] stride, long offset, TorchStorage storage) =>
        (Shape, Stride, Offset, Storage) = (shape, stride, offset, storage);

    /// <summary>Element type as stored.</summary>
    public ScalarType Type => Storage.Type;

    /// <summary>Its axes; empty for a scalar.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>Elements.</summary>
    public long Elements => Shape.Aggregate(1L, (product, axis) => checked(product * axis));

    /// <summary>Elements between neighbours along each axis; a transposed tensor is stored as it lay in memory.</summary>
    internal long[] Stride { get; }

    /// <summary>Elements of the storage before the first one.</summary>
    internal long Offset { get; }

    internal TorchStorage Storage { get; }

    /// <summary>Why the view does not fit into its storage; null where it does. To be asked before anything is allocated.</summary>
    internal string? Fault()
    {
        if (Shape.Count != Stride.Length) return $"it has {Shape.Count} axes and {Stride.Length} strides";
        UInt128 elements = 1, last = (UInt128)Offset;
        for (int i = 0; i < Shape.Count; i++)
        {
            elements *= (UInt128)Shape[i];
            if (elements > long.MaxValue) return "its size is not a 64-bit number";
            if (Shape[i] > 0) last += (UInt128)(Shape[i] - 1) * (UInt128)Stride[i];
            if (last > long.MaxValue) return "its strides lead outside its storage";
        }
        if (elements > 0 && (Offset < 0 || last >= (UInt128)Storage.Elements)) return $"it ends at element {last} of a storage of {Storage.Elements}";
        return elements > (UInt128)Storage.Elements
            ? $"it shows {elements} elements of a storage of {Storage.Elements}; save an expanded tensor as tensor.clone()" : null;
    }
}
