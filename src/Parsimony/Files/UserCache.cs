namespace Parsimony.Files;

/// <summary>Where this user's caches lie: what is in them can always be made again.</summary>
public static class UserCache
{
    /// <summary>Environment variable: the folder of caches (default ~/.cache/parsimony), or <c>none</c>.</summary>
    public const string Variable = "PARSIMONY_CACHE";

    /// <summary>The folder of one kind of cache; null where caches are switched off. It need not exist.</summary>
    /// <param name="kind">The kind's own folder name.</param>
    public static string? Folder(string kind)
    {
        string? named = Environment.GetEnvironmentVariable(Variable), cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
        if (named is "none") return null;
        if (string.IsNullOrEmpty(cache)) cache = Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        return Path.Combine(string.IsNullOrEmpty(named) ? Path.Combine(cache, "parsimony") : named, kind);
    }
}
