using Parsimony.Models.Storage;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>
/// Makes the parts of a model from its weights: checks that they have the shapes that the config promises, and puts them on their device and into their storage.
/// Matrices are read when they are first used.
/// </summary>
/// <param name="source">Not owned.</param>
/// <param name="device">Where they go.</param>
/// <param name="storage">How matrices and embeddings are kept.</param>
/// <param name="stays">Whether the parts stay in memory; else they are read for one use, and lie in the type they are stored in as long as that holds the same numbers.</param>
internal sealed class WeightReader(IWeightSource source, Device device, WeightStorage storage, bool stays = true)
{
    private readonly List<string> touched = [];

    /// <summary>The names of all that was made here, for <see cref="IWeightSource.Advise"/>.</summary>
    public IReadOnlyList<string> Touched => touched;

    /// <summary>Whether there is a tensor of that name.</summary>
    public bool Contains(string name) => source.Contains(name);

    /// <summary>A norm's gain, a bias: a tensor as float32, which outlives any dispose scope.</summary>
    /// <exception cref="InvalidDataException">It is missing or has another shape.</exception>
    public Tensor Read(string name, params long[] shape)
    {
        Ensure(name, shape);
        return There(source.Read(name));
    }

    /// <summary>A linear map stored as <c>{name}.weight</c> <c>[outputs, inputs]</c> and, where it has one, <c>{name}.bias</c>.</summary>
    /// <exception cref="InvalidDataException">As for <see cref="Read"/>.</exception>
    public Projection Projection(string name, long outputs, long inputs, bool bias) => Joined([(name, outputs)], inputs, bias);

    /// <summary>Linear maps of one input as one, their outputs one after the other.</summary>
    /// <param name="maps">The name of each, without <c>.weight</c>, and how much it gives.</param>
    /// <param name="inputs">What they take.</param>
    /// <param name="bias">Whether they have one.</param>
    /// <exception cref="InvalidDataException">As for <see cref="Read"/>.</exception>
    public Projection Joined(IReadOnlyList<(string Name, long Outputs)> maps, long inputs, bool bias)
    {
        foreach (var (name, outputs) in maps)
        {
            EnsureMatrix(name + ".weight", outputs, inputs);
            if (bias) Ensure(name + ".bias", outputs);
        }
        return new Projection(() => (JoinedMatrix.Of([.. maps.Select(m => Matrix(m.Name + ".weight", m.Outputs, inputs))]),
            bias ? One([.. maps.Select(m => There(source.Read(m.Name + ".bias")))]) : null));
    }

    /// <summary>A linear map stored the other way round, <c>[inputs, outputs]</c>, with a bias.</summary>
    /// <exception cref="InvalidDataException">As for <see cref="Read"/>.</exception>
    public Projection Transposed(string name, long inputs, long outputs)
    {
        string weight = name + ".weight";
        if (QuantisedFormat.Holds(source, weight)) return Projection(name, outputs, inputs, bias: true); // quantised the right way round
        Ensure(weight, inputs, outputs);
        Ensure(name + ".bias", outputs);
        return new Projection(() =>
        {
            using var stored = source.Read(weight);
            using var turned = stored.t();
            return (StoredMatrix.Of(There(turned.contiguous()), storage), There(source.Read(name + ".bias")));
        });
    }

    /// <summary>The table of an embedding, of which a few rows are read at a time: as it is stored where that is in two bytes a number, else in two where the storage is not float32.</summary>
    /// <exception cref="InvalidDataException">As for <see cref="Read"/>.</exception>
    public Tensor Table(string name, int rows, int width)
    {
        Ensure(name, rows, width);
        var stored = There(source.Stored(name));
        return stored.dtype is ScalarType.BFloat16 or ScalarType.Float16 ? stored : StoredMatrix.Table(Float(stored), storage);
    }

    /// <summary>The table of an embedding as a linear map to the logits of its rows; it is kept as the table is.</summary>
    /// <exception cref="InvalidDataException">As for <see cref="Read"/>.</exception>
    public Projection Tied(string name, int rows, int width)
    {
        Ensure(name, rows, width);
        return new Projection(() =>
        {
            var table = Table(name, rows, width);
            return (table.dtype == ScalarType.Float32 ? new Fp32Matrix(table) : storage == WeightStorage.Fp32 ? new Fp32Matrix(Float(table)) : new HalfMatrix(table), null);
        });
    }

    /// <summary>A layer norm stored as <c>{name}.weight</c> and <c>{name}.bias</c>.</summary>
    /// <exception cref="InvalidDataException">As for <see cref="Read"/>.</exception>
    public Norm LayerNorm(string name, int width, double epsilon)
    {
        var gain = Read(name + ".weight", width);
        return new Norm(gain, Read(name + ".bias", width), epsilon);
    }

    private IStoredMatrix Matrix(string name, long outputs, long inputs)
    {
        if (QuantisedFormat.Holds(source, name)) return QuantisedFormat.Read(source, name, There);
        var stored = There(source.Stored(name));
        return stored.dtype switch
        {
            ScalarType.Float32 when storage == WeightStorage.Fp32 => new Fp32Matrix(stored),
            ScalarType.BFloat16 when storage == WeightStorage.Bf16 || storage == WeightStorage.Fp32 && !stays => new HalfMatrix(stored),
            ScalarType.Float16 when storage == WeightStorage.Fp16 || storage == WeightStorage.Fp32 && !stays => new HalfMatrix(stored),
            _ => Converted(),
        };

        IStoredMatrix Converted()
        {
            var matrix = StoredMatrix.Of(stored, storage);
            source.Advise(name, isNeeded: false); // the file's numbers need not be in memory, too
            return matrix;
        }
    }

    private void EnsureMatrix(string name, long outputs, long inputs)
    {
        if (QuantisedFormat.Holds(source, name)) touched.AddRange(QuantisedFormat.Ensure(source, name, outputs, inputs));
        else Ensure(name, outputs, inputs);
    }

    private void Ensure(string name, params long[] shape)
    {
        if (!source.Contains(name)) throw new InvalidDataException(
            $"the model's weights lack '{name}'. The files are incomplete or of another architecture; fetch them again.");
        if (!source.Shape(name).SequenceEqual(shape)) throw new InvalidDataException(
            $"'{name}' has shape [{string.Join(", ", source.Shape(name))}]; config.json promises [{string.Join(", ", shape)}]. "
            + "Weights and config.json are not of the same model.");
        touched.Add(name);
    }

    private Tensor There(Tensor t)
    {
        if (device.type == DeviceType.CPU) return t.DetachFromDisposeScope();
        using (t) return t.to(device).DetachFromDisposeScope();
    }

    private static Tensor Float(Tensor t)
    {
        if (t.dtype == ScalarType.Float32) return t;
        using (t) return t.to(ScalarType.Float32).DetachFromDisposeScope();
    }

    private static Tensor One(IReadOnlyList<Tensor> biases)
    {
        if (biases is [var one]) return one;
        var all = cat([.. biases], 0).DetachFromDisposeScope();
        foreach (var part in biases) part.Dispose();
        return all;
    }
}
