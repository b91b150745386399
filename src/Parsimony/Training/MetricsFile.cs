using Parsimony.Files;

namespace Parsimony.Training;

/// <summary><c>metrics.jsonl</c> of a run folder: one <see cref="TrainingProgress"/> a line, only ever appended to.</summary>
public static class MetricsFile
{
    /// <summary>Adds a line.</summary>
    public static void Append(string path, TrainingProgress line) =>
        File.AppendAllText(path, Json.WriteLine(line) + "\n");

    /// <summary>Reads all complete lines; a last line cut short by a kill is left out.</summary>
    /// <exception cref="InvalidDataException">A line that is not the last is not one of ours.</exception>
    public static IReadOnlyList<TrainingProgress> Read(string path)
    {
        var lines = new List<TrainingProgress>();
        if (!File.Exists(path)) return lines;
        string text = File.ReadAllText(path);
        foreach (string line in text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries))
            lines.Add(Json.Parse<TrainingProgress>(line, $"{path}, line {lines.Count + 1}"));
        return lines;
    }

    /// <summary>Drops what came after a step, so that going on from a checkpoint ends in the file an uninterrupted run would have.</summary>
    public static void TruncateTo(string path, long step)
    {
        if (File.Exists(path))
            AtomicFile.WriteText(path, string.Concat(Read(path).Where(line => line.Step <= step).Select(line => Json.WriteLine(line) + "\n")));
    }
}
