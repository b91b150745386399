namespace Parsimony.Files.Hub;

/// <summary>
/// The cache of repositories in the layout of the Python tools: <c>blobs/</c> by hash, <c>snapshots/&lt;commit&gt;/</c> of links to them under the files' names,
/// <c>refs/&lt;revision&gt;</c> with the commit a name stands for.
/// </summary>
public static class HubCache
{
    /// <summary>The folder that a path stands for: itself where it exists, or the cached repository that it names.</summary>
    /// <param name="path">A path, or <c>owner/name</c>, or <c>owner/name@revision</c>.</param>
    /// <param name="kind">Of which kind a repository is looked for.</param>
    /// <param name="settings">Where the cache is.</param>
    /// <returns>A folder or file; the path unchanged where it is no name either.</returns>
    /// <exception cref="FileNotFoundException">It can only be a repository's name, and that is not in the cache; says which command fetches it.</exception>
    public static string Local(string path, HubKind kind, HubSettings settings)
    {
        if (File.Exists(path) || Directory.Exists(path) || HubName.ParseOrNull(path, kind) is not { } name) return path;
        if (Find(name, settings) is { } folder) return folder;
        bool isPlain = !name.Id.Contains('/') || Path.HasExtension(path) && kind == HubKind.Dataset || Directory.Exists(name.Id.Split('/')[0]);
        return isPlain ? path : throw new FileNotFoundException(
            $"'{path}' is neither a file or folder here nor a {kind.ToString().ToLowerInvariant()} in '{settings.Cache}'. To fetch it from the hub: {name.PullCommand}", path);
    }

    /// <summary>The snapshot of a repository; null where it is not in the cache.</summary>
    public static string? Find(HubName name, HubSettings settings)
    {
        string repository = Path.Combine(settings.Cache, name.Folder), reference = Path.Combine(repository, "refs", name.Revision);
        string commit = File.Exists(reference) ? File.ReadAllText(reference).Trim() : name.Revision;
        string snapshot = Path.Combine(repository, "snapshots", commit);
        return Directory.Exists(snapshot) ? snapshot : null;
    }

    /// <summary>The <c>owner/name</c> of which a folder is a snapshot; null where it is none.</summary>
    public static string? NameOf(string folder)
    {
        var snapshots = new DirectoryInfo(folder).Parent;
        string[] parts = snapshots is { Name: "snapshots", Parent.Name: { } repository } ? repository.Split("--", 2) : [];
        return parts is ["models" or "datasets", var id] ? id.Replace("--", "/", StringComparison.Ordinal) : null;
    }

    /// <summary>Puts a blob under its name into a snapshot.</summary>
    internal static void Link(string repository, string commit, string file, string blob)
    {
        string link = Path.Combine(repository, "snapshots", commit, file.Replace('/', Path.DirectorySeparatorChar)), folder = Path.GetDirectoryName(link)!;
        Directory.CreateDirectory(folder);
        if (File.Exists(link)) return;
        File.Delete(link); // a link to nothing
        try
        {
            File.CreateSymbolicLink(link, Path.GetRelativePath(folder, blob));
        }
        catch (Exception e) when (OperatingSystem.IsWindows() && e is IOException or UnauthorizedAccessException)
        {
            File.Copy(blob, link); // Windows gives the right to make links to few
        }
    }
}
