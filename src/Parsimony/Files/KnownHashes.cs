using System.Security.Cryptography;
using System.Text;

namespace Parsimony.Files;

/// <summary>SHA-256 of large files, read once: what was hashed and has kept its size and its time of change is not read again.</summary>
/// <param name="root">Folder of the known ones.</param>
public sealed class KnownHashes(string root)
{
    private const long SmallestBytes = 64 << 20; // less is hashed in the time it takes to look

    /// <summary>SHA-256 of a file, of several that of their SHA-256 in turn; of large ones through this user's cache, where there is one.</summary>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static string OfUser(params IReadOnlyList<string> paths)
    {
        string[] each = [.. paths.Select(path => ForUser(path)?.Sha256(path) ?? FileHash.Sha256(path))];
        return each is [var one] ? one : Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Concat(each))));
    }

    /// <summary>Remembers the hash of a large file that somebody else computed, in this user's cache.</summary>
    public static void RememberForUser(string path, string sha256) => ForUser(path)?.Remember(path, sha256);

    private static KnownHashes? ForUser(string path) =>
        new FileInfo(path).Length >= SmallestBytes && UserCache.Folder("hashes") is { } folder ? new KnownHashes(folder) : null;

    /// <summary>SHA-256 over the bytes of a file, lower-case hex.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    public string Sha256(string path)
    {
        var (known, stamp) = Place(path);
        if (File.Exists(known) && File.ReadAllText(known) is var line && line.StartsWith(stamp, StringComparison.Ordinal) && line[stamp.Length..].Trim() is { Length: 64 } hash) return hash;
        hash = FileHash.Sha256(path);
        Remember(path, hash);
        return hash;
    }

    private void Remember(string path, string sha256)
    {
        var (known, stamp) = Place(path);
        try
        {
            AtomicFile.WriteText(known, stamp + sha256 + "\n");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // a machine without a place of its own hashes each time
        }
    }

    private (string Known, string Stamp) Place(string path)
    {
        var file = Target(path);
        return (Path.Combine(root, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(file.FullName)))[..32]), $"{file.Length} {file.LastWriteTimeUtc.Ticks} ");
    }

    private static FileInfo Target(string path)
    {
        string full = Path.GetFullPath(path);
        return new FileInfo(File.ResolveLinkTarget(full, returnFinalTarget: true)?.FullName ?? full);
    }
}
