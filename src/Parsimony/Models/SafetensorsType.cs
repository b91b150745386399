using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>The element types of a safetensors file that libtorch has too.</summary>
internal static class SafetensorsType
{
    private static readonly (string Name, ScalarType Type, int Bytes)[] Known =
    [
        ("F64", ScalarType.Float64, 8), ("I64", ScalarType.Int64, 8),
        ("F32", ScalarType.Float32, 4), ("I32", ScalarType.Int32, 4),
        ("F16", ScalarType.Float16, 2), ("BF16", ScalarType.BFloat16, 2), ("I16", ScalarType.Int16, 2),
        ("I8", ScalarType.Int8, 1), ("U8", ScalarType.Byte, 1), ("BOOL", ScalarType.Bool, 1),
    ];

    /// <summary>The names read and written, for messages.</summary>
    public static string Names => string.Join(", ", Known.Select(k => k.Name));

    /// <summary>The type of that name, or null.</summary>
    public static ScalarType? Parse(string name) =>
        Array.Find(Known, k => k.Name == name) is { Name: not null } found ? found.Type : null;

    /// <summary>The name on disk.</summary>
    /// <exception cref="ArgumentException">The format has no such type.</exception>
    public static string Name(ScalarType type) => Array.Find(Known, k => k.Type == type).Name
        ?? throw new ArgumentException($"a tensor of type {type} cannot be stored; types: {Names}.", nameof(type));

    /// <summary>Bytes of one element.</summary>
    public static int Size(ScalarType type) => Array.Find(Known, k => k.Type == type).Bytes;
}
