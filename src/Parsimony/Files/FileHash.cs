using System.Security.Cryptography;

namespace Parsimony.Files;

/// <summary>The identity of what a file holds.</summary>
public static class FileHash
{
    /// <summary>SHA-256 over the bytes of the files in turn, lower-case hex; for one file what <c>sha256sum</c> prints.</summary>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static string Sha256(params IEnumerable<string> paths)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = new byte[1 << 20];
        foreach (string path in paths)
        {
            using var stream = File.OpenRead(path);
            for (int read; (read = stream.Read(buffer)) > 0;) hash.AppendData(buffer, 0, read);
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
