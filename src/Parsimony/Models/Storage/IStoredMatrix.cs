using static TorchSharp.torch;

namespace Parsimony.Models.Storage;

/// <summary>A matrix <c>[out, in]</c> of a model, in whatever storage.</summary>
internal interface IStoredMatrix : IDisposable
{
    /// <summary>Rows: what the linear map gives.</summary>
    long Outputs { get; }

    /// <summary>Columns: what the linear map takes.</summary>
    long Inputs { get; }

    /// <summary>Bytes it takes in memory while it is not used.</summary>
    long Bytes { get; }

    /// <summary>Some rows as the storage gives them back, float32 <c>[count, in]</c>; the caller disposes it and must not change it.</summary>
    /// <param name="first">The first row, 0-based.</param>
    /// <param name="count">How many, 1 or more.</param>
    Tensor Rows(long first, long count);
}
