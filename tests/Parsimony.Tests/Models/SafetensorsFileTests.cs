using System.Runtime.InteropServices;
using Parsimony.Models;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Models;

public sealed class SafetensorsFileTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("parsimony-test-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Every_official_verdict_is_respected()
    {
        string cases = Shared.Path("data/safetensors-cases/EXPECTED.tsv");
        var rows = File.ReadLines(cases).Skip(1).Select(line => line.Split('\t')).ToArray();
        Assert.Equal(19, rows.Length);
        foreach (string[] row in rows)
        {
            string path = Path.Combine(Path.GetDirectoryName(cases)!, row[0]);
            Assert.Equal($"{row[0]}: {row[2]}", $"{row[0]}: {Verdict(path)}");
        }
    }

    [Theory]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[4,4]}}", 4)]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4)]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", 4)]
    [InlineData("{\"a\":{\"dtype\":\"F33\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4)]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 4)]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4)]
    [InlineData("{\"__metadata__\":{\"a\":1}}", 0)]
    [InlineData("{\"\\ud800\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4)]
    [InlineData("[]", 0)]
    [InlineData("{} {}", 0)]
    public void A_header_of_another_form_is_refused(string json, int dataBytes) =>
        Assert.Equal("InvalidHeaderDeserialization", Verdict(Raw(json, dataBytes)));

    [Theory]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "InvalidOffset")] // a hole before it
    [InlineData("{\"a\":{\"dtype\":\"U8\",\"shape\":[0,18446744073709551615],\"data_offsets\":[0,0]}}", 0, "ValidationOverflow")]
    [InlineData("{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "OK")]
    public void The_data_must_be_covered_exactly(string json, int dataBytes, string verdict) => Assert.Equal(verdict, Verdict(Raw(json, dataBytes)));

    [Fact]
    public void All_types_survive_a_round_trip_and_the_file_itself()
    {
        ScalarType[] types =
        [
            ScalarType.Float64, ScalarType.Float32, ScalarType.Float16, ScalarType.BFloat16, ScalarType.Int64,
            ScalarType.Int32, ScalarType.Int16, ScalarType.Int8, ScalarType.Byte, ScalarType.Bool,
        ];
        using var scope = NewDisposeScope();
        var written = types.ToDictionary(t => t.ToString(), t => (arange(6).reshape(2, 3) - (t is ScalarType.Byte or ScalarType.Bool ? 0 : 3)).to(t));
        written["scalar"] = tensor(1.5f);
        written["empty"] = zeros(2, 0);
        written["transposed"] = arange(6, dtype: ScalarType.Float32).reshape(2, 3).t();
        string path = Path.Combine(folder, "all.safetensors");
        SafetensorsFile.Write(path, written, new Dictionary<string, string> { ["format"] = "pt", ["note"] = "é \"<\"" });

        var read = new Dictionary<string, Tensor>();
        using (var file = SafetensorsFile.Open(path))
        {
            foreach (string name in file.Tensors.Keys) read[name] = file.Read(name);
            Assert.Equal("é \"<\"", file.Metadata["note"]);
            Assert.All(file.Tensors.Values, t => Assert.Equal(0, t.Bytes == 0 ? 0 : t.Offset % SafetensorsType.Size(t.Type)));
        }
        Assert.Equal(written.Keys.Order(), read.Keys.Order());
        foreach (var (name, tensor) in written)
        {
            Assert.Equal(tensor.dtype, read[name].dtype);
            Assert.Equal(tensor.shape, read[name].shape);
            Assert.True(tensor.eq(read[name]).all().item<bool>(), name);
        }
        Assert.Empty(Directory.GetFiles(folder, "*.tmp"));
    }

    [Theory]
    [InlineData("neox_bf16", ScalarType.BFloat16)]
    [InlineData("neox_fp16", ScalarType.Float16)]
    public void Half_precision_becomes_float32_exactly(string fixture, ScalarType stored)
    {
        using var scope = NewDisposeScope();
        using var file = SafetensorsFile.Open(Path.Combine(Shared.Path($"fixtures/{fixture}"), "model.safetensors"));
        int compared = 0;
        foreach (var (name, info) in file.Tensors)
        {
            if (info.Type != stored) continue;
            var (half, full) = (file.Read(name), file.Read(name, ScalarType.Float32));
            Assert.Equal(ScalarType.Float32, full.dtype);
            var bits = MemoryMarshal.Cast<byte, ushort>(half.bytes);
            var floats = MemoryMarshal.Cast<byte, float>(full.bytes);
            for (int i = 0; i < bits.Length; i++)
            {
                float expected = stored == ScalarType.Float16
                    ? (float)BitConverter.UInt16BitsToHalf(bits[i]) : BitConverter.UInt32BitsToSingle((uint)bits[i] << 16);
                Assert.Equal(expected, floats[i]);
            }
            compared++;
        }
        Assert.True(compared > 10);
    }

    [Fact]
    public void An_unknown_tensor_and_a_missing_file_are_named()
    {
        string path = Path.Combine(folder, "one.safetensors");
        using var x = zeros(1);
        SafetensorsFile.Write(path, [new("x", x)]);
        using var file = SafetensorsFile.Open(path);
        Assert.Contains("has no tensor 'y'; it holds x.", Assert.Throws<InvalidDataException>(() => file.Read("y")).Message, StringComparison.Ordinal);
        Assert.Contains("does not exist", Assert.Throws<FileNotFoundException>(() => SafetensorsFile.Open(path + "z")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Names_given_twice_are_refused_and_nothing_is_written()
    {
        using var x = zeros(1);
        string path = Path.Combine(folder, "twice.safetensors");
        Assert.Throws<ArgumentException>(() => SafetensorsFile.Write(path, [new("x", x), new("x", x)]));
        Assert.Empty(Directory.GetFiles(folder));
    }

    [Fact]
    public void Reading_leaves_no_tensor_behind()
    {
        string path = Path.Combine(folder, "leak.safetensors");
        using var x = ones([40], ScalarType.BFloat16);
        SafetensorsFile.Write(path, [new("x", x)]);
        using var file = SafetensorsFile.Open(path);
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        file.Read("x", ScalarType.Float32).Dispose();
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    private static string Verdict(string path)
    {
        try
        {
            using var file = SafetensorsFile.Open(path);
            using var scope = NewDisposeScope();
            foreach (string name in file.Tensors.Keys) _ = file.Read(name);
            return "OK";
        }
        catch (InvalidDataException e)
        {
            Assert.StartsWith($"'{path}' cannot be read as safetensors (", e.Message, StringComparison.Ordinal);
            Assert.EndsWith(".", e.Message, StringComparison.Ordinal);
            return e.Message.Split('(', ')')[1];
        }
    }

    private string Raw(string json, int dataBytes)
    {
        string path = Path.Combine(folder, "raw.safetensors");
        byte[] header = System.Text.Encoding.UTF8.GetBytes(json);
        File.WriteAllBytes(path, [.. BitConverter.GetBytes((long)header.Length), .. header, .. new byte[dataBytes]]);
        return path;
    }
}
