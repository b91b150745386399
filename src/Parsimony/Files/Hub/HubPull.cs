using Microsoft.Win32.SafeHandles;

namespace Parsimony.Files.Hub;

/// <summary>What a pull has brought.</summary>
/// <param name="Folder">The snapshot: the files under their names.</param>
/// <param name="Commit">The commit that the revision stands for.</param>
/// <param name="Files">Its files there.</param>
/// <param name="Bytes">Their bytes.</param>
/// <param name="FetchedBytes">Bytes that were not there before.</param>
public sealed record HubPulled(string Folder, string Commit, int Files, long Bytes, long FetchedBytes);

/// <summary>How far a pull is.</summary>
/// <param name="Bytes">Bytes that are there.</param>
/// <param name="Total">Bytes in all.</param>
/// <param name="Already">Bytes that were there before it began.</param>
public readonly record struct HubProgress(long Bytes, long Total, long Already);

/// <summary>
/// Fetches files of a repository into the cache. Each is written under a temporary name in ranges, several at a time, checked against its hash and renamed; a range that has
/// arrived is not fetched again, whenever the pull is interrupted. The revision's name is written last.
/// </summary>
public static class HubPull
{
    /// <summary>Fetches what is not there yet.</summary>
    /// <param name="name">The repository.</param>
    /// <param name="settings">Where the hub and the cache are.</param>
    /// <param name="choose">Which of its files.</param>
    /// <param name="progress">Told of bytes as they come, from several threads, one at a time.</param>
    /// <param name="cancellation">Stops; what has arrived stays.</param>
    /// <exception cref="FileNotFoundException">There is no such repository, or nothing in it is wanted.</exception>
    /// <exception cref="UnauthorizedAccessException">The token does not suffice.</exception>
    /// <exception cref="InvalidDataException">The hub's answers are wrong, or a file is not what its hash says.</exception>
    /// <exception cref="IOException">The hub cannot be reached, or the disk is full.</exception>
    public static async Task<HubPulled> Run(HubName name, HubSettings settings, Func<IReadOnlyList<HubFile>, IReadOnlyList<HubFile>> choose,
        IProgress<HubProgress>? progress = null, CancellationToken cancellation = default)
    {
        if (settings.Offline) throw new IOException($"'{name}' is not fetched, because HF_HUB_OFFLINE is set"
            + (HubCache.Find(name, settings) is { } there ? $"; what is there of it is in '{there}'." : ". Unset it, or name a folder."));
        using var client = new HubClient(settings);
        var (commit, all) = await client.List(name, cancellation);
        var files = choose(all);
        if (files.Count == 0) throw new FileNotFoundException($"'{name}' has no file that is needed (it has: {string.Join(", ", all.Take(12).Select(f => f.Path))}). "
            + "Name some with --include, such as --include '*.json'.");

        string repository = Path.Combine(settings.Cache, name.Folder), blobs = Path.Combine(repository, "blobs");
        Directory.CreateDirectory(blobs);
        var missing = files.Where(f => !File.Exists(Path.Combine(blobs, f.Hash))).DistinctBy(f => f.Hash).ToList();
        DiskSpace.Ensure(repository, missing.Sum(f => f.Size), $"'{name}'", "Free some space, or set HF_HOME to a folder on another disk.");
        var count = new Count(files.Sum(f => f.Size), files.Sum(f => f.Size) - missing.Sum(f => f.Size), progress);
        foreach (var file in missing) await Fetch(client, name, commit, file, Path.Combine(blobs, file.Hash), settings, count, cancellation);

        foreach (var file in files) HubCache.Link(repository, commit, file.Path, Path.Combine(blobs, file.Hash));
        if (name.Revision != commit) AtomicFile.WriteText(Path.Combine(repository, "refs", name.Revision), commit);
        return new HubPulled(Path.Combine(repository, "snapshots", commit), commit, files.Count, files.Sum(f => f.Size), missing.Sum(f => f.Size));
    }

    private static async Task Fetch(HubClient client, HubName name, string commit, HubFile file, string blob, HubSettings settings, Count count, CancellationToken cancellation)
    {
        string temporary = blob + ".parsimony", ranges = temporary + ".ranges"; // not Python's .incomplete, which has no holes
        using (var target = Open(temporary, file, name))
        {
            var done = File.Exists(ranges) ? File.ReadAllLines(ranges).Where(l => l.Length > 1 && l[^1] == '.').Select(l => long.Parse(l[..^1], null)).ToHashSet() : [];
            long Length(long range) => Math.Min(settings.RangeBytes, file.Size - range);
            count.Already(done.Sum(Length));
            var waiting = new List<long>();
            for (long range = 0; range < file.Size; range += settings.RangeBytes)
                if (!done.Contains(range)) waiting.Add(range);

            bool knowsRanges = waiting.Count == 0 || await One(waiting[0], cancellation); // alone: does the server know ranges?
            if (knowsRanges) await Parallel.ForEachAsync(waiting.Skip(1), new ParallelOptions { MaxDegreeOfParallelism = settings.Connections, CancellationToken = cancellation },
                async (range, stop) => await One(range, stop));
            RandomAccess.FlushToDisk(target);

            async Task<bool> One(long range, CancellationToken stop)
            {
                bool asAsked = await client.Fetch(name, commit, file, range, range + Length(range), (bytes, at) =>
                {
                    RandomAccess.Write(target, bytes.Span, at);
                    count.Add(bytes.Length);
                }, stop);
                if (asAsked) lock (count) File.AppendAllText(ranges, $"{range}.\n"); // the full stop: the line is whole
                return asAsked;
            }
        }
        if (!file.Matches(temporary))
        {
            File.Delete(temporary);
            File.Delete(ranges);
            throw new InvalidDataException($"'{file.Path}' of '{name}' came with another content than its hash {file.Hash[..12]}... says, and was deleted. Pull again.");
        }
        File.Move(temporary, blob, overwrite: true);
        if (file.Hash.Length == 64) KnownHashes.RememberForUser(blob, file.Hash); // so that nobody reads it for its hash again
        File.Delete(ranges);
        FolderSync.Flush(Path.GetDirectoryName(blob)!);
    }

    private static SafeFileHandle Open(string path, HubFile file, HubName name)
    {
        try
        {
            var handle = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            RandomAccess.SetLength(handle, file.Size);
            return handle;
        }
        catch (IOException e) when (File.Exists(path))
        {
            throw new IOException($"'{file.Path}' of '{name}' is being fetched by another process. Wait for it, then run the same command again.", e);
        }
    }

    private sealed class Count(long total, long already, IProgress<HubProgress>? progress)
    {
        private long bytes = already, before = already;

        public void Already(long more)
        {
            before += more;
            Add(more);
        }

        public void Add(long more)
        {
            lock (this) progress?.Report(new(bytes += more, total, before));
        }
    }
}
