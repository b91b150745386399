using Parsimony.Files;
using Xunit;

namespace Parsimony.Tests.Files;

public sealed class KnownHashesTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    [Fact]
    public void What_has_kept_its_size_and_time_is_not_read_again()
    {
        string file = folder.File("a.bin");
        var known = new KnownHashes(folder.File("hashes"));
        File.WriteAllText(file, "first");
        var time = File.GetLastWriteTimeUtc(file);
        string first = known.Sha256(file);
        Assert.Equal(FileHash.Sha256(file), first);
        File.WriteAllText(file, "again"); // as long, and
        File.SetLastWriteTimeUtc(file, time);
        Assert.Equal(first, known.Sha256(file));
        File.SetLastWriteTimeUtc(file, time.AddSeconds(1));
        Assert.Equal(FileHash.Sha256(file), known.Sha256(file));
        File.WriteAllText(file, "longer");
        Assert.Equal(FileHash.Sha256(file), known.Sha256(file));
    }

    [Fact]
    public void Several_files_have_the_hash_of_their_hashes()
    {
        string[] files = [folder.File("a"), folder.File("b")];
        foreach (string file in files) File.WriteAllText(file, file);
        string both = folder.File("both");
        File.WriteAllText(both, FileHash.Sha256(files[0]) + FileHash.Sha256(files[1]));
        Assert.Equal(FileHash.Sha256(both), KnownHashes.OfUser(files));
        Assert.Equal(FileHash.Sha256(files[0]), KnownHashes.OfUser(files[0]));
    }

    public void Dispose() => folder.Dispose();
}
