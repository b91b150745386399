using System.Text.Json;
using Parsimony.Activations;
using Parsimony.Files;
using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>The numbers of a checkpoint: counters, position in the data, the steering's state.</summary>
internal sealed record CheckpointNumbers
{
    public required long Step { get; init; }
    public required BufferPosition Position { get; init; }
    public required double L1Coefficient { get; init; }
    public required double? SteeringError { get; init; }
    public required double FiresSinceSteering { get; init; }
    public required long Resampled { get; init; }
    public double InputScale { get; init; } = 1;
    public double OutputScale { get; init; } = 1;
    public required string Hook { get; init; }
    public required SaeTrainingOptions Options { get; init; }
}

/// <summary>
/// The whole state of a training run in one file, <c>checkpoint.safetensors</c>: tensors (weights, Adam's moments, latents' counters, generator
/// states) and, in its metadata, the numbers as JSON. One file, so that a rename replaces all of it at once.
/// </summary>
internal static class Checkpoint
{
    private const string NumbersKey = "training_state";

    /// <summary>Writes to a temporary name, then renames: the previous checkpoint stays until the new one is complete.</summary>
    public static void Save(string path, CheckpointNumbers numbers, IEnumerable<KeyValuePair<string, Tensor>> tensors) =>
        SafetensorsFile.Write(path, tensors, new Dictionary<string, string> { [NumbersKey] = Json.WriteLine(numbers) });

    /// <summary>Reads a checkpoint; null when there is none. The tensors belong to the caller's dispose scope.</summary>
    /// <exception cref="InvalidDataException">The file is not one of this version's checkpoints.</exception>
    public static (CheckpointNumbers Numbers, IReadOnlyDictionary<string, Tensor> Tensors)? Load(string path)
    {
        if (!File.Exists(path)) return null;
        using var file = SafetensorsFile.Open(path);
        if (!file.Metadata.TryGetValue(NumbersKey, out string? numbers))
            throw new InvalidDataException($"{path} is not a training checkpoint: its metadata has no {NumbersKey}. "
                + "Delete it to start the run anew, or use another run folder.");
        return (Json.Parse<CheckpointNumbers>(numbers, path), file.Tensors.Keys.ToDictionary(name => name, name => file.Read(name)));
    }

    /// <summary>A checkpoint goes on only under the options it was made with; how often to log or save may differ.</summary>
    /// <exception cref="InvalidDataException">The options differ; the message names each difference.</exception>
    public static void EnsureSameRun(CheckpointNumbers saved, SaeTrainingOptions options, string hook, string path)
    {
        var was = Fields(saved.Options);
        var differences = Fields(options)
            .Where(now => now.Value != was[now.Key])
            .Select(now => $"{now.Key} was {was[now.Key]}, now {now.Value}")
            .ToList();
        if (saved.Hook != hook) differences.Add($"the hook was {saved.Hook}, now {hook}");
        if (differences.Count > 0)
            throw new InvalidDataException($"{path} belongs to a run with other options: {string.Join("; ", differences)}. "
                + "Use the same options to go on, or another run folder to start anew.");
    }

    private static Dictionary<string, string> Fields(SaeTrainingOptions options) =>
        JsonSerializer.SerializeToElement(options with { CheckpointEverySteps = 0, LogEverySteps = 1 }, Json.Options)
            .EnumerateObject().ToDictionary(p => p.Name, p => p.Value.ToString());
}
