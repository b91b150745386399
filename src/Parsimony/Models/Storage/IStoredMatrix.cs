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

    /// <summary>Writes some rows, as the storage gives them back, into a tensor that is there.</summary>
    /// <param name="first">The first row, 0-based.</param>
    /// <param name="to"><c>[count, in]</c>, float32, contiguous.</param>
    void Decode(long first, Tensor to);
}
