using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace Parsimony.Files.Hub;

/// <summary>A file of a repository.</summary>
/// <param name="Path">Its name in the repository, '/' between folders.</param>
/// <param name="Size">Bytes.</param>
/// <param name="Hash">What the hub knows it by, and its name among the blobs: SHA-256 of a large file, git's SHA-1 of a small one.</param>
public sealed partial record HubFile(string Path, long Size, string Hash)
{
    /// <summary>Whether the name stays inside its folder and the hash is one.</summary>
    internal bool IsSane => Size >= 0 && Hex().IsMatch(Hash) && !System.IO.Path.IsPathRooted(Path) && !Path.Split('/', '\\').Any(part => part is "" or "." or "..");

    /// <summary>Whether a file holds what the hash says.</summary>
    internal bool Matches(string file)
    {
        if (Hash.Length == 64) return FileHash.Sha256(file) == Hash;
        using var sha1 = IncrementalHash.CreateHash(HashAlgorithmName.SHA1); // git's name for a blob, not a safeguard of ours
        sha1.AppendData(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"blob {Size}\0")));
        sha1.AppendData(File.ReadAllBytes(file));
        return Convert.ToHexStringLower(sha1.GetHashAndReset()) == Hash;
    }

    /// <summary>Of a model's files those that are needed to run it: config, tokenizer, and the weights once, safetensors where there are any.</summary>
    public static IReadOnlyList<HubFile> OfModel(IReadOnlyList<HubFile> files)
    {
        var root = files.Where(f => !f.Path.Contains('/')).ToList();
        if (!root.Exists(f => f.Path == "config.json")) // autoencoders and the like, often in folders
            return [.. files.Where(f => f.Path.EndsWith(".safetensors", StringComparison.Ordinal) || f.Path.EndsWith(".npz", StringComparison.Ordinal)
                || f.Path.EndsWith(".pt", StringComparison.Ordinal) || f.Path.EndsWith(".json", StringComparison.Ordinal))];
        var weights = root.Where(f => Safetensors().IsMatch(f.Path)).ToList();
        if (weights.Count == 0) weights = [.. root.Where(f => f.Path.EndsWith(".safetensors", StringComparison.Ordinal))];
        if (weights.Count == 0) weights = [.. root.Where(f => Pickled().IsMatch(f.Path))];
        return [.. root.Where(f => Small().IsMatch(f.Path)), .. weights];
    }

    [GeneratedRegex("^(?:[0-9a-f]{40}|[0-9a-f]{64})$")]
    private static partial Regex Hex();

    [GeneratedRegex(@"^model(?:-\d+-of-\d+)?\.safetensors(?:\.index\.json)?$")]
    private static partial Regex Safetensors();

    [GeneratedRegex(@"^pytorch_model(?:-\d+-of-\d+)?\.bin(?:\.index\.json)?$")]
    private static partial Regex Pickled();

    [GeneratedRegex(@"^(?:config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab)\.json$|^merges\.txt$|^tokenizer\.model$")]
    private static partial Regex Small();
}
