using Parsimony.Files;
using Xunit;

namespace Parsimony.Tests.Files;

public sealed class AtomicFileTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("parsimony-test-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Text_is_written_whole_and_folders_are_made()
    {
        string path = Path.Combine(folder, "a", "b.json");
        AtomicFile.WriteText(path, "é\n");
        Assert.Equal([0xC3, 0xA9, 0x0A], File.ReadAllBytes(path));
        Assert.Single(Directory.GetFiles(Path.Combine(folder, "a")));
    }

    [Fact]
    public void A_failure_half_way_leaves_the_older_file_and_nothing_else()
    {
        string path = Path.Combine(folder, "b.json");
        AtomicFile.WriteText(path, "old");
        Assert.Throws<InvalidOperationException>(() => AtomicFile.Write(path, stream =>
        {
            stream.WriteByte(1);
            throw new InvalidOperationException("stop");
        }));
        Assert.Equal("old", File.ReadAllText(path));
        Assert.Single(Directory.GetFiles(folder));
    }

    [Fact]
    public void A_full_disk_is_one_clear_sentence()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "/dev/full is Linux's");
        string path = Path.Combine(folder, "b.json");
        var e = Assert.Throws<IOException>(() => AtomicFile.Write(path, _ => File.WriteAllText("/dev/full", "x")));
        Assert.Equal($"'{path}' was not written: the disk is full. Free some space, then run the same command again.", e.Message);
        Assert.Empty(Directory.GetFiles(folder));
    }

    [Fact]
    public void What_a_killed_process_left_half_written_goes_with_the_next_write()
    {
        string path = Path.Combine(folder, "b.json"), other = Path.Combine(folder, "c.json.999999999.tmp");
        string abandoned = $"{path}.999999999.tmp", written = $"{path}.{Environment.ProcessId}.x.tmp";
        foreach (string name in (string[])[abandoned, written, other]) File.WriteAllText(name, "half");
        AtomicFile.WriteText(path, "whole");
        Assert.Equal([path, written, other], Directory.GetFiles(folder).Order(StringComparer.Ordinal));
    }
}
