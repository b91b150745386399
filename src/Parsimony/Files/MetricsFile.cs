namespace Parsimony.Files;

/// <summary><c>metrics.jsonl</c> of a run folder: one record a line, only ever appended to.</summary>
public static class MetricsFile
{
    /// <summary>Adds a line; the folder is made where missing.</summary>
    public static void Append<T>(string path, T line)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        File.AppendAllText(path, Json.WriteLine(line) + "\n");
    }

    /// <summary>Reads all complete lines; a last line cut short by a kill is left out. No file is no lines.</summary>
    /// <exception cref="InvalidDataException">A line that is not the last is not one of ours.</exception>
    public static IReadOnlyList<T> Read<T>(string path)
    {
        var lines = new List<T>();
        if (!File.Exists(path)) return lines;
        string text = File.ReadAllText(path);
        foreach (string line in text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries))
            lines.Add(Json.Parse<T>(line, $"{path}, line {lines.Count + 1}"));
        return lines;
    }

    /// <summary>Drops what came after a step, so that going on from a checkpoint ends in the file an uninterrupted run would have.</summary>
    /// <param name="path">The file; none is fine.</param>
    /// <param name="stepOf">The step of a line.</param>
    /// <param name="step">The last step to keep.</param>
    public static void TruncateTo<T>(string path, Func<T, long> stepOf, long step)
    {
        if (File.Exists(path))
            AtomicFile.WriteText(path, string.Concat(Read<T>(path).Where(line => stepOf(line) <= step).Select(line => Json.WriteLine(line) + "\n")));
    }
}
