using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>Reading with the shape the config promises.</summary>
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
}
