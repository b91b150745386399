namespace Parsimony.Files;

/// <summary>Whether what is to be written fits on the disk, asked before anything is.</summary>
public static class DiskSpace
{
    /// <summary>Bytes this user may still write on the disk of a path, which need not exist yet; null where the system does not say.</summary>
    public static long? Free(string path)
    {
        var folder = new DirectoryInfo(Path.GetFullPath(path));
        while (!folder.Exists && folder.Parent is not null) folder = folder.Parent;
        try
        {
            return new DriveInfo(OperatingSystem.IsWindows() ? folder.Root.FullName : folder.FullName).AvailableFreeSpace;
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>Refuses to begin what would fill the disk.</summary>
    /// <param name="path">Where it would be written.</param>
    /// <param name="need">Bytes it takes.</param>
    /// <param name="what">What would be written, with an article.</param>
    /// <param name="advice">What to do about it, a sentence.</param>
    /// <param name="free">Bytes free there; null: asked of the system.</param>
    /// <exception cref="IOException">There is too little room; nothing was written.</exception>
    public static void Ensure(string path, long need, string what, string advice, long? free = null)
    {
        free ??= Free(path);
        if (free < need) throw new IOException(
            $"{what} takes {ByteSize.Text(need)} in '{path}', where {ByteSize.Text(free.Value)} are free; nothing was written. {advice}");
    }
}
