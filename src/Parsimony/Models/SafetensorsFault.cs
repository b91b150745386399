namespace Parsimony.Models;

/// <summary>What is wrong with a safetensors file; the names are the official implementation's, and appear in messages.</summary>
internal enum SafetensorsFault
{
    /// <summary>Fewer than the 8 bytes that hold the header's length.</summary>
    HeaderTooSmall,

    /// <summary>The header claims to be longer than 100 MB.</summary>
    HeaderTooLarge,

    /// <summary>The header claims to be longer than the file.</summary>
    InvalidHeaderLength,

    /// <summary>The header is not UTF-8.</summary>
    InvalidHeader,

    /// <summary>The header is not the JSON the format asks for.</summary>
    InvalidHeaderDeserialization,

    /// <summary>A tensor leaves a hole or overlaps another, or ends before it starts.</summary>
    InvalidOffset,

    /// <summary>A shape's size does not fit into 64 bits.</summary>
    ValidationOverflow,

    /// <summary>A tensor's shape and type ask for another number of bytes than it has.</summary>
    TensorInvalidInfo,

    /// <summary>The data is longer or shorter than the tensors together.</summary>
    MetadataIncompleteBuffer,
}
