using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>Reading with the shape the config promises, as the parts of a model.</summary>
internal static class WeightSourceChecks
{
    /// <summary>Reads a tensor that must be there in just this shape; the tensor outlives any dispose scope.</summary>
    /// <exception cref="InvalidDataException">It is missing or has another shape.</exception>
    public static Tensor ReadChecked(this IWeightSource source, string name, params long[] shape)
    {
        if (!source.Contains(name)) throw new InvalidDataException(
            $"the model's weights lack '{name}'. The files are incomplete or of another architecture; fetch them again.");
        if (!source.Shape(name).SequenceEqual(shape)) throw new InvalidDataException(
            $"'{name}' has shape [{string.Join(", ", source.Shape(name))}]; config.json promises [{string.Join(", ", shape)}]. "
            + "Weights and config.json are not of the same model.");
        return source.Read(name).DetachFromDisposeScope();
    }

    /// <summary>A linear map stored as <c>{name}.weight</c> <c>[outputs, inputs]</c> and, where it has one, <c>{name}.bias</c>.</summary>
    public static Projection ReadProjection(this IWeightSource source, string name, long outputs, long inputs, bool bias) =>
        source.Project(source.ReadChecked(name + ".weight", outputs, inputs), bias ? source.ReadChecked(name + ".bias", outputs) : null);

    /// <summary>A linear map of a matrix <c>[outputs, inputs]</c> that was read here, kept in the source's storage.</summary>
    public static Projection Project(this IWeightSource source, Tensor weight, Tensor? bias) => new(StoredMatrix.Of(weight, source.Storage), bias);

    /// <summary>The table of an embedding, in two bytes a number where the source's storage is not float32.</summary>
    public static Tensor ReadTable(this IWeightSource source, string name, int rows, int width) =>
        StoredMatrix.Table(source.ReadChecked(name, rows, width), source.Storage);

    /// <summary>A layer norm stored as <c>{name}.weight</c> and <c>{name}.bias</c>.</summary>
    public static Norm ReadLayerNorm(this IWeightSource source, string name, int width, double epsilon)
    {
        var gain = source.ReadChecked(name + ".weight", width);
        return new Norm(gain, source.ReadChecked(name + ".bias", width), epsilon);
    }
}
