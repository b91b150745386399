using Parsimony.Files;
using Parsimony.Files.Hub;
using Parsimony.Models;
using Parsimony.Text;

namespace Parsimony.Cli.Runs;

/// <summary>Something that a plan needs and this machine does not have.</summary>
/// <param name="What">A model or a text.</param>
/// <param name="Name">Its name.</param>
/// <param name="Pull">The command that fetches it; null where none does.</param>
/// <param name="Bytes">What that fetches, about; null where it is not known without asking the hub.</param>
internal sealed record Absence(string What, string Name, string? Pull, long? Bytes)
{
    /// <summary>For people.</summary>
    public string Sentence => $"{Name} is not on this machine{(Pull is null ? "" : $": {Pull}")}{(Bytes is { } bytes ? $", {ByteSize.Text(bytes)}" : "")}";
}

/// <summary>What is known of a model and a text of which one, or both, are not on this machine.</summary>
/// <param name="Config">The model's shape.</param>
/// <param name="Absent">What is missing, and how to get it; at least one.</param>
internal sealed record Absences(IModelConfig Config, IReadOnlyList<Absence> Absent)
{
    private const int StoredBytes = 2; // of a parameter: Pythia is published in float16

    /// <summary>Looks for a model and a text.</summary>
    /// <returns>Null where both are here.</returns>
    /// <exception cref="UsageException">The model is not here, and its shape is not known.</exception>
    /// <exception cref="FileNotFoundException">The text is neither here nor a name that can be fetched.</exception>
    public static Absences? OrNull(string model, string text, TextOptions corpus)
    {
        var (config, lacking) = Model(model);
        return (List<Absence>)[.. new[] { lacking, Text(text, corpus) }.OfType<Absence>()] is { Count: > 0 } absent ? new(config, absent) : null;
    }

    private static (IModelConfig Config, Absence? Absent) Model(string model)
    {
        if (Local(model, HubKind.Model) is { } folder && Directory.Exists(folder))
        {
            var config = ModelConfig.Load(folder);
            try
            {
                ModelWeights.Paths(folder);
                return (config, null);
            }
            catch (FileNotFoundException)
            {
                return (config, new("model", $"'{folder}' has a config.json and no weights; the rest of it", null, null));
            }
        }
        var name = HubName.ParseOrNull(model, HubKind.Model);
        if (name is null || PythiaLadder.Find(name.Id) is not { } shape) throw new UsageException(
            $"--model is '{model}', which is not on this machine, and its shape is not known, so nothing can be planned. Name a folder with its config.json, or one of the ladder."
            + JsonShape.Suggest(model.Split('/')[^1], PythiaLadder.Names));
        if (!name.Id.Contains('/')) name = name with { Id = PythiaLadder.Owner + name.Id };
        return (shape, new("model", name.ToString(), name.PullCommand, ModelTensors.Of(shape).Sum(t => t.Elements) * StoredBytes));
    }

    private static Absence? Text(string text, TextOptions corpus)
    {
        if (Local(text, HubKind.Dataset) is null) return new("text", text, HubName.ParseOrNull(text, HubKind.Dataset)!.PullCommand, null);
        LoadedModel.OpenText(text, corpus);
        return null;
    }

    /// <summary>Where it is; the path itself where it is no name of the hub; null where it is one that was not pulled.</summary>
    private static string? Local(string path, HubKind kind)
    {
        try
        {
            return HubCache.Local(path, kind, HubSettings.FromEnvironment());
        }
        catch (FileNotFoundException)
        {
            return null;
        }
    }
}
