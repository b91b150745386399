using static TorchSharp.torch;

namespace Parsimony.Models.TorchFiles;

/// <summary>A name out of a pickle that is on the list; it stands for a meaning here, never for code.</summary>
internal sealed record TorchGlobal(string Name)
{
    /// <summary>What the name is when it is a storage class; null for others.</summary>
    public ScalarType? Storage { get; init; }
}

/// <summary>One storage of a torch file: a run of elements in the archive's <c>data/{Key}</c>.</summary>
internal sealed record TorchStorage(string Key, ScalarType Type, long Elements);

/// <summary>The names that may stand in a torch file, and what each builds. Everything else is refused where it is named.</summary>
internal static class TorchGlobals
{
    private const string TensorV2 = "torch._utils._rebuild_tensor_v2", TensorV1 = "torch._utils._rebuild_tensor",
        Parameter = "torch._utils._rebuild_parameter", ParameterWithState = "torch._utils._rebuild_parameter_with_state",
        FromType = "torch._tensor._rebuild_from_type_v2", OrderedDict = "collections.OrderedDict", Size = "torch.Size", Device = "torch.device",
        ParameterClass = "torch.nn.parameter.Parameter", TensorClass = "torch.Tensor";

    private static readonly HashSet<string> Allowed =
        [TensorV2, TensorV1, Parameter, ParameterWithState, FromType, OrderedDict, Size, Device, ParameterClass, TensorClass];

    /// <summary>Storage classes, in torch's names, and the types they hold.</summary>
    private static readonly Dictionary<string, ScalarType> Storages = new(StringComparer.Ordinal)
    {
        ["torch.FloatStorage"] = ScalarType.Float32,
        ["torch.DoubleStorage"] = ScalarType.Float64,
        ["torch.HalfStorage"] = ScalarType.Float16,
        ["torch.BFloat16Storage"] = ScalarType.BFloat16,
        ["torch.LongStorage"] = ScalarType.Int64,
        ["torch.IntStorage"] = ScalarType.Int32,
        ["torch.ShortStorage"] = ScalarType.Int16,
        ["torch.CharStorage"] = ScalarType.Int8,
        ["torch.ByteStorage"] = ScalarType.Byte,
        ["torch.BoolStorage"] = ScalarType.Bool,
    };

    /// <summary>Types by name: values in configurations, never called.</summary>
    private static readonly HashSet<string> TypeNames =
        ["float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"];

    /// <summary>The storage class that torch writes for a type.</summary>
    /// <exception cref="ArgumentException">The type is not one that is written.</exception>
    public static string StorageOf(ScalarType type) =>
        Storages.FirstOrDefault(s => s.Value == type).Key?["torch.".Length..]
        ?? throw new ArgumentException($"a tensor of type {type} cannot be stored; types: {string.Join(", ", Storages.Values)}.", nameof(type));

    /// <summary>The meaning of a name, or null where it is not on the list.</summary>
    public static object? Find(string module, string name)
    {
        string full = $"{module}.{name}";
        if (Storages.TryGetValue(full, out var type)) return new TorchGlobal(full) { Storage = type };
        if (module == "torch" && TypeNames.Contains(name)) return name; // a dtype is data
        return Allowed.Contains(full) ? new TorchGlobal(full) : null;
    }

    /// <summary>What a call with these arguments stands for; null where the arguments are not those torch writes.</summary>
    public static object? Call(TorchGlobal global, object?[] args) => (global.Name, args) switch
    {
        (TensorV2 or TensorV1, [TorchStorage storage, long offset, object?[] size, object?[] stride, ..]) when args.Length <= 7 =>
            Numbers(size) is { } shape && Numbers(stride) is { } steps ? new TorchTensor(shape, steps, offset, storage) : null,
        (Parameter, [TorchTensor data, bool, ..]) when args.Length == 3 => data,
        (ParameterWithState, [TorchTensor data, bool, ..]) when args.Length == 4 => data,
        (FromType, [TorchGlobal { Name: TensorV2 or Parameter } function, TorchGlobal { Name: ParameterClass or TensorClass }, object?[] inner, _]) =>
            Call(function, inner),
        (OrderedDict, []) => new OrderedDictionary<object, object?>(),
        (OrderedDict, [List<object?> pairs]) => Dictionary(pairs),
        (Size, [object?[] size]) when Numbers(size) is not null => size,
        (Device, [string device, ..]) => device,
        _ => null,
    };

    private static OrderedDictionary<object, object?>? Dictionary(List<object?> pairs)
    {
        var result = new OrderedDictionary<object, object?>();
        foreach (object? pair in pairs)
        {
            if ((pair is List<object?> list ? [.. list] : pair as object?[]) is not [string or long, _] both) return null;
            result[both[0]!] = both[1];
        }
        return result;
    }

    private static long[]? Numbers(object?[] items) => items.All(i => i is >= 0L) ? [.. items.Select(i => (long)i!)] : null;
}
