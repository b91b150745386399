using System.Text;
using Parsimony.Models;
using Parsimony.Models.Storage;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Models.Storage;

public sealed class QuantisedFormatTests
{
    private static Tensor There(Tensor t) => t.DetachFromDisposeScope();

    /// <summary>Tensors by name, kept in a safetensors folder.</summary>
    private static SafetensorsFolder Written(TemporaryFolder folder, IEnumerable<KeyValuePair<string, Tensor>> tensors)
    {
        SafetensorsFile.Write(Path.Combine(folder.Path, "model.safetensors"), tensors);
        return SafetensorsFolder.Open(folder.Path);
    }

    private static Dictionary<string, Tensor> Nf4(byte[] codes, float[] absmax, long[] shape, string extra = "", params (string, Tensor)[] more)
    {
        var tensors = new Dictionary<string, Tensor>
        {
            ["w.weight"] = tensor(codes).unsqueeze(1),
            ["w.weight.absmax"] = tensor(absmax),
            ["w.weight.quant_map"] = tensor(Nf4Matrix.Values),
            ["w.weight.quant_state.bitsandbytes__nf4"] = tensor(Encoding.UTF8.GetBytes(
                $$"""{"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [{{string.Join(", ", shape)}}]{{extra}}}""")),
        };
        foreach (var (name, value) in more) tensors[name] = value;
        return tensors;
    }

    [Fact]
    public void What_bitsandbytes_wrote_is_read_as_bitsandbytes_reads_it()
    {
        // The first eight bytes and the scale of a published checkpoint, and what bitsandbytes 0.49.2 makes of them in bfloat16.
        byte[] codes = [110, 90, 88, 44, 228, 163, 9, 25, .. new byte[24]];
        float[] expected = [-0.002838f, 0.022583f, -0.005768f, 0.00769f, -0.005768f, 0.002487f, -0.016357f, 0.013794f, 0.022583f, -0.008911f, 0.00769f, -0.012329f, -0.03125f, 0.005035f,
            -0.021729f, 0.005035f];
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        using var source = Written(folder, Nf4(codes, [0.03125f], [2, 32]));
        Assert.NotEmpty(QuantisedFormat.Ensure(source, "w.weight", 2, 32));
        using var matrix = QuantisedFormat.Read(source, "w.weight", There);
        float[] rows = matrix.Rows(0, 1).Floats();
        foreach (var (theirs, ours) in expected.Zip(rows)) Assert.Equal(theirs, ours, 0.004 * Math.Abs(theirs)); // theirs is rounded to 8 bits
    }

    [Fact]
    public void Scales_under_any_8_bit_map_are_read()
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        var map = linspace(-1, 1, 256).pow(3); // not ours
        using var source = Written(folder, Nf4(new byte[64], [], [2, 64], """, "nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 0.25""",
            ("w.weight.absmax", tensor(new byte[] { 0, 200 })), ("w.weight.nested_absmax", tensor(0.125f).view(1)), ("w.weight.nested_quant_map", map)));
        using var matrix = QuantisedFormat.Read(source, "w.weight", There);
        float last = map[200].item<float>();
        float[] rows = matrix.Rows(0, 2).Floats();
        Assert.Equal(-(0.25f - 0.125f), rows[0], 1e-7); // code 0 is -1 times the scale
        Assert.Equal(-(0.25f + 0.125f * last), rows[64], 1e-7);
    }

    [Theory]
    [InlineData(WeightStorage.Int8, 40, 64)]
    [InlineData(WeightStorage.Nf4, 40, 64)]
    [InlineData(WeightStorage.Nf4Dq, 300, 64)]
    [InlineData(WeightStorage.Nf4Dq, 7, 33)] // the last block is not full, and its last byte holds one number
    public void What_is_written_is_read_bit_by_bit(WeightStorage storage, long outputs, long inputs)
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        using var generator = new Generator(3, CPU);
        using var matrix = StoredMatrix.Of(randn(outputs, inputs, generator: generator).DetachFromDisposeScope(), storage);
        using var source = Written(folder, QuantisedFormat.Parts("a.weight", matrix));
        Assert.True(QuantisedFormat.Holds(source, "a.weight"));
        Assert.All(QuantisedFormat.Ensure(source, "a.weight", outputs, inputs), name => Assert.True(source.Contains(name)));
        using var again = QuantisedFormat.Read(source, "a.weight", There);
        Assert.Equal(matrix.Rows(0, outputs).Floats(), again.Rows(0, outputs).Floats());
        Assert.Equal(matrix.Bytes, again.Bytes);
    }

    [Theory]
    [InlineData("\"blocksize\": 64", "\"blocksize\": 128", "blocks of 128")]
    [InlineData("[2, 32]", "[32, 2]", "it is of shape [32, 2]; config.json promises [2, 32]")]
    [InlineData("\"shape\"", "\"shap\"", "does not say how the matrix was quantised")]
    public void Another_way_of_quantising_is_refused_by_name(string right, string wrong, string says)
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        var tensors = Nf4(new byte[32], [1], [2, 32]);
        const string state = "w.weight.quant_state.bitsandbytes__nf4";
        tensors[state] = tensor(Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(tensors[state].bytes).Replace(right, wrong, StringComparison.Ordinal)));
        using var source = Written(folder, tensors);
        Assert.Contains(says, Assert.Throws<InvalidDataException>(() => QuantisedFormat.Ensure(source, "w.weight", 2, 32)).Message, StringComparison.Ordinal);
    }
}
