using Parsimony.Files;

namespace Parsimony.FineTuning;

/// <summary><c>metrics.jsonl</c> of a fine-tuning run: one <see cref="SftProgress"/> a line, only ever appended to.</summary>
public static class SftMetricsFile
{
    /// <summary>Adds a line; the folder is made where missing.</summary>
    public static void Append(string path, SftProgress line)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        File.AppendAllText(path, Json.WriteLine(line) + "\n");
    }

    /// <summary>Reads all complete lines; a last line cut short by a kill is left out. No file is no lines.</summary>
    /// <exception cref="InvalidDataException">A line that is not the last is not one of ours.</exception>
    public static IReadOnlyList<SftProgress> Read(string path)
    {
        var lines = new List<SftProgress>();
        if (!File.Exists(path)) return lines;
        string text = File.ReadAllText(path);
        foreach (string line in text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries))
            lines.Add(Json.Parse<SftProgress>(line, $"{path}, line {lines.Count + 1}"));
        return lines;
    }

    /// <summary>Drops what came after a step, so that going on from a checkpoint ends in the file an uninterrupted run would have.</summary>
    public static void TruncateTo(string path, long step)
    {
        if (File.Exists(path))
            AtomicFile.WriteText(path, string.Concat(Read(path).Where(line => line.Step <= step).Select(line => Json.WriteLine(line) + "\n")));
    }
}
