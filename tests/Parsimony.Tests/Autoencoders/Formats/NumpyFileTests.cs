using System.IO.Compression;
using System.Text;
using Parsimony.Autoencoders.Formats;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Autoencoders.Formats;

public sealed class NumpyFileTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Files_that_NumPy_wrote_are_read()
    {
        using var scope = NewDisposeScope();
        Assert.Equal(Enumerable.Range(0, 10).Select(i => (long)i), NumpyFile.ReadArray(Shared.Path("data/torch-pt-cases/candle-test.npy")).Longs());
        using var file = NumpyFile.Open(Shared.Path("data/torch-pt-cases/candle-test.npz"));
        Assert.Equal(["x", "x_plus_one"], file.Names);
        Assert.Equal(Enumerable.Range(1, 10).Select(i => (long)i), file.Read("x_plus_one").Longs());
        Assert.Equal(ScalarType.Int64, file.Info("x").Type);
        Assert.Equal([10], file.Info("x").Shape);
    }

    [Fact]
    public void The_bytes_written_are_NumPys_own()
    {
        using var scope = NewDisposeScope();
        string theirs = Shared.Path("data/torch-pt-cases/candle-test.npy");
        NumpyFile.WriteArray(folder.File("a.npy"), NumpyFile.ReadArray(theirs));
        Assert.Equal(File.ReadAllBytes(theirs), File.ReadAllBytes(folder.File("a.npy")));
    }

    [Fact]
    public void Every_type_and_shape_comes_back_bit_for_bit()
    {
        using var scope = NewDisposeScope();
        ScalarType[] types = [ScalarType.Float32, ScalarType.Float64, ScalarType.Float16, ScalarType.Int64, ScalarType.Int32, ScalarType.Int16, ScalarType.Int8,
            ScalarType.Byte, ScalarType.Bool];
        var tensors = types.ToDictionary(t => $"{t}", t => arange(0, 6, ScalarType.Int64).view(2, 3).to(t));
        tensors["transposed"] = arange(0, 6, ScalarType.Float32).view(2, 3).t();
        tensors["scalar"] = tensor(1.5f);
        tensors["empty"] = zeros(2, 0);
        NumpyFile.Write(folder.File("a.npz"), tensors);
        using var file = NumpyFile.Open(folder.File("a.npz"));
        foreach (var (name, tensor) in tensors) Assert.True(file.Read(name).SameBits(tensor), name);
    }

    [Fact]
    public void Fortran_order_and_compression_are_read()
    {
        byte[] array = Array("{'descr': '<i4', 'fortran_order': True, 'shape': (2, 3), }", [1, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 3, 0, 0, 0, 6, 0, 0, 0]);
        using (var archive = ZipFile.Open(folder.File("a.npz"), ZipArchiveMode.Create))
        using (var stream = archive.CreateEntry("x.npy", CompressionLevel.SmallestSize).Open()) stream.Write(array);
        using var file = NumpyFile.Open(folder.File("a.npz"));
        using var x = file.Read("x");
        Assert.Equal([1, 2, 3, 4, 5, 6], x.Longs());
    }

    [Theory]
    [InlineData("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "elements of type '|O'")]
    [InlineData("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", "elements of type '>f4'")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "asks for another number of bytes than the 4 it has")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999, 9999999999), }", "not a 64-bit number")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", "its shape is not one")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", "is not NumPy's")]
    [InlineData("__import__('os').system('true')", "is not NumPy's")]
    public void What_cannot_be_read_is_refused_in_one_sentence(string header, string said)
    {
        File.WriteAllBytes(folder.File("a.npy"), Array(header, [0, 0, 128, 63]));
        Assert.Contains(said, Assert.Throws<InvalidDataException>(() => NumpyFile.ReadArray(folder.File("a.npy"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_cut_anywhere_is_refused()
    {
        NumpyFile.WriteArray(folder.File("a.npy"), ones(3));
        NumpyFile.Write(folder.File("a.npz"), [new("x", ones(3))]);
        foreach (string name in (string[])["a.npy", "a.npz"])
        {
            byte[] whole = File.ReadAllBytes(folder.File(name));
            for (int length = 0; length < whole.Length; length += 7)
            {
                File.WriteAllBytes(folder.File("cut"), whole[..length]);
                Assert.Throws<InvalidDataException>(() => name == "a.npy" ? NumpyFile.ReadArray(folder.File("cut")) : NumpyFile.Open(folder.File("cut")).Read("x"));
            }
        }
    }

    [Fact]
    public void What_cannot_be_written_leaves_no_file()
    {
        Assert.Throws<ArgumentException>(() => NumpyFile.Write(folder.File("a.npz"), [new("x", ones(1)), new("x", ones(1))]));
        Assert.Contains("no type for BFloat16", Assert.Throws<ArgumentException>(() =>
            NumpyFile.WriteArray(folder.File("a.npy"), ones(1, ScalarType.BFloat16))).Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(folder.Path));
    }

    private static byte[] Array(string header, byte[] data) =>
        [0x93, .. "NUMPY"u8, 1, 0, (byte)(header.Length + 1), 0, .. Encoding.ASCII.GetBytes(header + "\n"), .. data];
}
