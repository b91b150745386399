using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>Where one tensor lies in a safetensors file.</summary>
/// <param name="Type">Element type as stored.</param>
/// <param name="Shape">Its axes; empty for a scalar.</param>
/// <param name="Offset">Bytes from the start of the file.</param>
/// <param name="Bytes">Length in bytes.</param>
public readonly record struct TensorInfo(ScalarType Type, long[] Shape, long Offset, long Bytes);
