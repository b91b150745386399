namespace Parsimony.Cli;

/// <summary>The small language model that comes with the repository.</summary>
internal static class BundledModel
{
    /// <summary>Its folder: <c>assets/demo</c> beside the program or in a folder above it; null when it is not there.</summary>
    public static string? Folder
    {
        get
        {
            for (var d = new DirectoryInfo(AppContext.BaseDirectory); d is not null; d = d.Parent)
            {
                string folder = Path.Combine(d.FullName, "assets", "demo");
                if (File.Exists(Path.Combine(folder, "config.json"))) return folder;
            }
            return null;
        }
    }

    /// <summary>The folder given, or the bundled one.</summary>
    /// <exception cref="DirectoryNotFoundException">None is given, and none is bundled.</exception>
    public static string Or(string? given) => given ?? Folder ?? throw new DirectoryNotFoundException(
        $"no model was named, and the bundled one (assets/demo) is not in or above {AppContext.BaseDirectory}; give --model <folder>.");
}
