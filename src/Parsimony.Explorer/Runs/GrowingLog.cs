namespace Parsimony.Explorer.Runs;

/// <summary>A log that is being written: each time it is read on from where it was left. A line that is not ended is waited for.</summary>
/// <param name="path">The file; it need not be there yet.</param>
internal sealed class GrowingLog(string path)
{
    private long read;

    /// <summary>The lines that were added, each with where it begins in the file, in bytes.</summary>
    /// <param name="begunAnew">Called first where the file is shorter than it was, or gone: all that was read before counts no more.</param>
    public IReadOnlyList<(long Offset, ReadOnlyMemory<byte> Line)> ReadOn(Action begunAnew)
    {
        long length = File.Exists(path) ? new FileInfo(path).Length : 0;
        if (length < read)
        {
            read = 0;
            begunAnew();
        }
        if (length == read) return [];
        var bytes = Read(read, (int)(length - read));
        var lines = new List<(long, ReadOnlyMemory<byte>)>();
        int start = 0;
        for (int end; (end = Array.IndexOf(bytes, (byte)'\n', start)) >= 0; start = end + 1)
            if (end > start) lines.Add((read + start, bytes.AsMemory(start, end - start)));
        read += start;
        return lines;
    }

    /// <summary>A part of the file.</summary>
    public byte[] Read(long offset, int length)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        var bytes = new byte[length];
        file.Position = offset;
        file.ReadExactly(bytes);
        return bytes;
    }
}
