using Parsimony.Models;
using Parsimony.Models.TorchFiles;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Autoencoders.Formats;

/// <summary>The tensors of a file of any kind, asked for by name and expected in a shape.</summary>
internal sealed class NamedTensors
{
    private readonly IReadOnlyDictionary<string, long[]> shapes;
    private readonly Func<string, ScalarType?, Tensor> read;
    private readonly HashSet<string> asked = new(StringComparer.Ordinal);

    private NamedTensors(string path, IReadOnlyDictionary<string, long[]> shapes, Func<string, ScalarType?, Tensor> read) =>
        (Path, this.shapes, this.read) = (path, shapes, read);

    /// <summary>The file, for messages.</summary>
    public string Path { get; }

    /// <summary>All names.</summary>
    public IEnumerable<string> Names => shapes.Keys;

    public static NamedTensors Of(SafetensorsFile file) =>
        new(file.Path, file.Tensors.ToDictionary(t => t.Key, t => t.Value.Shape, StringComparer.Ordinal), file.Read);

    public static NamedTensors Of(TorchFile file) =>
        new(file.Path, file.Tensors.ToDictionary(t => t.Key, t => t.Value.Shape.ToArray(), StringComparer.Ordinal), file.Read);

    public static NamedTensors Of(NumpyFile file) =>
        new(file.Path, file.Names.ToDictionary(n => n, n => file.Info(n).Shape, StringComparer.Ordinal), file.Read);

    public bool Has(params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
            if (!shapes.ContainsKey(name)) return false;
        return true;
    }

    /// <summary>Length of one axis of a tensor that must be there.</summary>
    public int Axis(string name, int axis)
    {
        long[] shape = Shape(name);
        return axis < shape.Length && shape[axis] is > 0 and <= int.MaxValue ? (int)shape[axis]
            : throw new InvalidDataException($"{Path}: {name} has shape [{string.Join(", ", shape)}]; expected a matrix.");
    }

    /// <summary>A tensor as float32; the current dispose scope owns it.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="shape">The shape it must have.</param>
    /// <exception cref="InvalidDataException">It is missing or has another shape.</exception>
    public Tensor Read(string name, params long[] shape)
    {
        long[] found = Shape(name);
        if (!found.SequenceEqual(shape))
            throw new InvalidDataException($"{Path}: {name} has shape [{string.Join(", ", found)}]; expected [{string.Join(", ", shape)}].");
        _ = asked.Add(name);
        return read(name, ScalarType.Float32);
    }

    /// <summary>A tensor as it is, outside every dispose scope.</summary>
    public Tensor Keep(string name)
    {
        _ = asked.Add(name);
        return read(name, null).DetachFromDisposeScope();
    }

    /// <summary>Refuses a file with tensors nobody asked for: it is of a kind that is not known here.</summary>
    public void ExpectNoOthers(string kind)
    {
        var others = shapes.Keys.Where(n => !asked.Contains(n)).Order(StringComparer.Ordinal).Take(6).ToList();
        if (others.Count > 0) throw new InvalidDataException($"{Path} has {string.Join(", ", others)} beside what {kind} is made of; "
            + "it is of a kind that is not read here.");
    }

    private long[] Shape(string name) => shapes.TryGetValue(name, out long[]? shape) ? shape
        : throw new InvalidDataException($"{Path} has no tensor {name}; it holds {(shapes.Count == 0 ? "none at all" : string.Join(", ", shapes.Keys.Order(StringComparer.Ordinal).Take(12)))}.");
}
