namespace Parsimony.Explorer.Runs;

/// <summary>The run that is explored and those that lie beside it. Runs are known by the names of their folders; no name leads out of the folder they are in.</summary>
public sealed class RunCatalog
{
    private readonly string parent;

    /// <summary>The runs beside a run folder.</summary>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    public RunCatalog(string runFolder)
    {
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(runFolder));
        if (!Directory.Exists(full)) throw new DirectoryNotFoundException($"there is no folder '{runFolder}'. Name a run folder, such as runs/demo.");
        (parent, Explored) = (Path.GetDirectoryName(full) ?? full, new RunView(full));
    }

    /// <summary>The run that is explored.</summary>
    public RunView Explored { get; }

    /// <summary>All runs, the explored one first, then those that were worked on last.</summary>
    public IReadOnlyList<RunView> All() =>
    [
        Explored,
        .. Directory.EnumerateDirectories(parent).Where(folder => folder != Explored.Files.Folder && File.Exists(Path.Combine(folder, "config.json"))).Select(folder => new RunView(folder))
            .OrderByDescending(run => run.Changed),
    ];

    /// <summary>A run by its name; null: there is none of this name beside the explored one.</summary>
    public RunView? Find(string name) => All().FirstOrDefault(run => run.Name == name);
}
