using System.Diagnostics.CodeAnalysis;

namespace Parsimony.Models;

/// <summary>How a model's matrices are kept in memory. Products are of float32 in every case: a matrix is dequantised when it is used.</summary>
public enum WeightStorage
{
    /// <summary>Four bytes, as read.</summary>
    Fp32,
    /// <summary>Two bytes: float32's range, each number off by at most 1 part in 256 (exact for files in bfloat16).</summary>
    Bf16,
    /// <summary>Two bytes, up to 65504, each number off by at most 1 part in 2048 above 6e-5 (exact for files in float16).</summary>
    Fp16,
    /// <summary>One byte, and a float32 scale for each output: <see cref="Storage.Int8Matrix"/>.</summary>
    [SuppressMessage("Naming", "CA1720", Justification = "the field's name of it, and the flag's value")]
    Int8,
    /// <summary>Half a byte, and a float32 scale for each 64 numbers: <see cref="Storage.Nf4Matrix"/>.</summary>
    Nf4,
    /// <summary><see cref="Nf4"/> with its scales in a byte each: 0.52 bytes a parameter instead of 0.56.</summary>
    Nf4Dq,
}
