using System.Globalization;
using Parsimony.Files;
using Parsimony.Models;
using static TorchSharp.torch;

namespace Parsimony.FineTuning;

/// <summary>
/// The whole state of a run that learns (SFT, DPO, rewards, a reward model) in one file, <c>checkpoint.safetensors</c>: tensors, and in its metadata the counts and what
/// the run was made with. One file, so that a rename replaces all of it at once.
/// </summary>
internal static class RunCheckpoint
{
    /// <summary>Writes the file whole or not at all.</summary>
    public static void Save(
        string path, IEnumerable<KeyValuePair<string, Tensor>> tensors, IReadOnlyDictionary<string, string> identity,
        IReadOnlyDictionary<string, long> counts) =>
        SafetensorsFile.Write(path, tensors, identity.Concat(counts.Select(c =>
            KeyValuePair.Create(c.Key, c.Value.ToString(CultureInfo.InvariantCulture)))).ToDictionary());

    /// <summary>Copies a checkpoint's tensors into the given ones.</summary>
    /// <returns>The counts of the given names; null when there is no checkpoint.</returns>
    /// <exception cref="InvalidDataException">The file is damaged, or of a run made with something else.</exception>
    public static IReadOnlyDictionary<string, long>? Load(
        string path, IReadOnlyDictionary<string, Tensor> into, IReadOnlyDictionary<string, string> identity, IEnumerable<string> counts)
    {
        if (!File.Exists(path)) return null;
        using var file = SafetensorsFile.Open(path);
        var differences = identity.SelectMany(fact => Differences(fact.Key, file.Metadata.GetValueOrDefault(fact.Key, ""), fact.Value)).ToList();
        if (differences.Count > 0) throw new InvalidDataException($"'{path}' belongs to another run: {string.Join("; ", differences)}. "
            + "Use the same to go on, or another run folder to start anew.");
        foreach (var (name, tensor) in into)
        {
            if (!file.Contains(name) || !file.Tensors[name].Shape.AsSpan().SequenceEqual(tensor.shape)) throw Damaged(name);
            using var saved = file.Read(name, tensor.dtype);
            tensor.copy_(saved);
        }
        return counts.ToDictionary(name => name, name =>
            long.TryParse(file.Metadata.GetValueOrDefault(name), NumberStyles.None, CultureInfo.InvariantCulture, out long value)
                ? value : throw Damaged(name));

        InvalidDataException Damaged(string name) => new(
            $"'{path}' is not a checkpoint of this run: '{name}' is missing or of another shape. Delete it to start the run anew.");
    }

    private static IEnumerable<string> Differences(string name, string was, string now)
    {
        if (was == now) yield break;
        if (!now.StartsWith('{') || was.Length == 0)
        {
            yield return name is "examples" ? "the examples differ" : $"the {name} differs";
            yield break;
        }
        var before = Json.ParseObject(was, name);
        foreach (var (option, value) in Json.ParseObject(now, name))
            if (before[option]?.ToJsonString() != value?.ToJsonString())
                yield return $"{option} was {before[option]?.ToJsonString() ?? "not set"}, now {value?.ToJsonString() ?? "not set"}";
    }
}
