using Parsimony.Files;
using Xunit;

namespace Parsimony.Tests.Files;

public sealed class ByteSizeTests
{
    [Theory]
    [InlineData("0", 0)]
    [InlineData("4096", 4096)]
    [InlineData("2GiB", 2L << 30)]
    [InlineData(" 512 mib ", 512L << 20)]
    [InlineData("1.5GB", 1_500_000_000)]
    [InlineData("10B", 10)]
    public void A_size_is_read(string text, long bytes) => Assert.Equal(bytes, ByteSize.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData("GiB")]
    [InlineData("-1GiB")]
    [InlineData("two")]
    [InlineData("1e3")]
    [InlineData("99999999999TiB")]
    public void What_is_no_size_is_refused_with_the_units(string text) =>
        Assert.Contains("KiB, MiB, GiB", Assert.Throws<FormatException>(() => ByteSize.Parse(text)).Message, StringComparison.Ordinal);
}
