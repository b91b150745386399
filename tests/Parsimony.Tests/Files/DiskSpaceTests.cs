using Parsimony.Files;
using Parsimony.Native;
using Xunit;

namespace Parsimony.Tests.Files;

public sealed class DiskSpaceTests
{
    [Fact]
    public void What_is_free_is_known_also_for_a_folder_that_is_not_there_yet()
    {
        string here = Path.GetTempPath();
        Assert.True(DiskSpace.Free(here) > 0);
        Assert.NotNull(DiskSpace.Free(Path.Combine(here, "none", "of", "these")));
        DiskSpace.Ensure(here, 1, "A byte", "Never said.");
        Assert.Equal("A file takes 1.50 kB in 'x', where 999 B are free; nothing was written. Use another disk.",
            Assert.Throws<IOException>(() => DiskSpace.Ensure("x", 1500, "A file", "Use another disk.", free: 999)).Message);
    }

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(999, "999 B")]
    [InlineData(1000, "1.00 kB")]
    [InlineData(12_345_678, "12.3 MB")]
    [InlineData(5_000_000_000_000_000_000, "5000 PB")]
    public void Bytes_are_written_in_three_digits_or_so(long bytes, string text) => Assert.Equal(text, ByteSize.Text(bytes));

    [Fact]
    public void Free_memory_is_some_and_less_than_the_machine_has() =>
        Assert.InRange(MachineMemory.Available, 1 << 20, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);
}
