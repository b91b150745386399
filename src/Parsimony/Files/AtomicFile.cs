using System.Diagnostics;
using System.Text;

namespace Parsimony.Files;

/// <summary>
/// Writes a file whole or not at all: under a temporary name beside it, flushed to the disk, then renamed, and the folder flushed too. A process
/// killed meanwhile leaves the older file and the temporary one, which the next write of the same file removes.
/// </summary>
public static class AtomicFile
{
    private const int DiskFullLinux = 28 /* ENOSPC */, QuotaLinux = 122 /* EDQUOT */, DiskFullWindows = unchecked((int)0x80070070);

    /// <summary>Writes text as UTF-8 without a byte-order mark.</summary>
    /// <param name="path">The file; its folder is made where missing.</param>
    /// <param name="text">Its whole content.</param>
    /// <exception cref="IOException">The disk is full, or the file cannot be written; nothing is left behind.</exception>
    public static void WriteText(string path, string text) => Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(text)));

    /// <summary>Writes what <paramref name="write"/> puts into the stream; an older file stays until the new one is complete.</summary>
    /// <param name="path">The file; its folder is made where missing.</param>
    /// <param name="write">Fills the stream; it may seek. Whatever it throws leaves no file behind.</param>
    /// <exception cref="IOException">The disk is full, or the file cannot be written; nothing is left behind.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        string full = Path.GetFullPath(path);
        string folder = Path.GetDirectoryName(full)!;
        string temporary = $"{full}.{Environment.ProcessId}.tmp"; // beside it: a rename across disks would be a copy
        Directory.CreateDirectory(folder);
        RemoveAbandoned(folder, Path.GetFileName(full));
        try
        {
            using (var stream = new FileStream(temporary, FileMode.Create, FileAccess.ReadWrite, FileShare.None, 1 << 16))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, full, overwrite: true);
            FolderSync.Flush(folder);
        }
        catch (IOException e) when (e.HResult is DiskFullLinux or QuotaLinux or DiskFullWindows)
        {
            File.Delete(temporary);
            throw new IOException($"'{path}' was not written: the disk is full. Free some space, then run the same command again.", e);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    /// <summary>Deletes what killed processes left half written.</summary>
    private static void RemoveAbandoned(string folder, string name)
    {
        foreach (string path in Directory.EnumerateFiles(folder, name + ".*.tmp"))
        {
            if (!int.TryParse(path[..^".tmp".Length].Split('.')[^1], out int process) || process == Environment.ProcessId || IsAlive(process)) continue;
            try
            {
                using (new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None)) { } // a writer in another container holds it
                File.Delete(path);
            }
            catch (IOException)
            {
                // Somebody writes it, or has deleted it first: not ours to remove.
            }
        }
    }

    private static bool IsAlive(int process)
    {
        try
        {
            using var found = Process.GetProcessById(process);
            return !found.HasExited;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }
}
