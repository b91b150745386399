using System.Globalization;
using Parsimony.Models;
using static TorchSharp.torch;

namespace Parsimony.Tools.LanguageModel;

/// <summary>Where a run stands.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="Seconds">Seconds they took.</param>
public sealed record LmProgress(long Step, double Seconds);

/// <summary>One safetensors file with weights, optimiser state and progress; replaced whole, so a killed process leaves the last good one.</summary>
public static class LmCheckpoint
{
    /// <summary>Writes it.</summary>
    public static void Save(string path, TrainableWeights weights, LmOptimizer optimizer, LmProgress progress)
    {
        using var nograd = no_grad();
        SafetensorsFile.Write(path, weights.Parameters.Concat(optimizer.State), new Dictionary<string, string>
        {
            ["step"] = progress.Step.ToString(CultureInfo.InvariantCulture),
            ["seconds"] = progress.Seconds.ToString("R", CultureInfo.InvariantCulture),
        });
    }

    /// <summary>Copies a checkpoint's tensors into weights and optimiser.</summary>
    /// <exception cref="InvalidDataException">It is of a model of another shape, or no checkpoint.</exception>
    public static LmProgress Load(string path, TrainableWeights weights, LmOptimizer optimizer)
    {
        using var file = SafetensorsFile.Open(path);
        using var nograd = no_grad();
        foreach (var (name, t) in weights.Parameters.Concat(optimizer.State))
        {
            if (!file.Tensors.TryGetValue(name, out var stored) || !stored.Shape.AsSpan().SequenceEqual(t.shape)) throw new InvalidDataException(
                $"'{path}' does not fit the model asked for (tensor '{name}'). Give the options it was begun with, or another --run folder.");
            using var value = file.Read(name);
            t.copy_(value);
        }
        return new LmProgress(
            long.Parse(file.Metadata["step"], CultureInfo.InvariantCulture), double.Parse(file.Metadata["seconds"], CultureInfo.InvariantCulture));
    }
}
