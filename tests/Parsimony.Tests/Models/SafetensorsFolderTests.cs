using System.Security.Cryptography;
using System.Text;
using Parsimony.Models;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Models;

public sealed class SafetensorsFolderTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("parsimony-test-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Shards_are_one_source_of_float32_tensors()
    {
        string path = Shared.Path("fixtures/neox_sharded");
        using var scope = NewDisposeScope();
        using var source = SafetensorsFolder.Open(path);
        Assert.Equal(2, Directory.GetFiles(path, "model-*.safetensors").Length);
        Assert.All(source.Names, name => Assert.Equal(source.Shape(name), source.Read(name).shape));
        Assert.Equal(ScalarType.Float32, source.Read("embed_out.weight").dtype);
        string both = string.Concat(Directory.GetFiles(path, "model-*.safetensors").Order(StringComparer.Ordinal).Select(file => Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(file)))));
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(both))), source.Sha256);
    }

    [Fact]
    public void A_single_file_has_its_own_hash_and_half_precision_is_widened()
    {
        string path = Shared.Path("fixtures/neox_fp16");
        using var scope = NewDisposeScope();
        using var source = SafetensorsFolder.Open(path);
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(Path.Combine(path, "model.safetensors")))), source.Sha256);
        string name = source.Names.First();
        Assert.Equal(ScalarType.Float16, source.StoredType(name));
        Assert.Equal(ScalarType.Float32, source.Read(name).dtype);
    }

    [Fact]
    public void A_folder_without_weights_says_what_it_needs()
    {
        Assert.Contains("model.safetensors.index.json", Message<FileNotFoundException>(), StringComparison.Ordinal);
        Assert.Contains("is not a folder", Assert.Throws<DirectoryNotFoundException>(() => SafetensorsFolder.Open(folder + "x")).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"weight_map\": {\"x\": \"a.safetensors\", \"y\": \"b.safetensors\"}}", "shard 'b.safetensors', which is not there")]
    [InlineData("{\"weight_map\": {\"x\": \"a.safetensors\", \"y\": \"a.safetensors\"}}", "holds the tensor 'y', but it does not")]
    [InlineData("{\"weight_map\": {\"x\": \"../a.safetensors\"}}", "must be a file of the same folder")]
    [InlineData("{\"weight_map\": {\"x\": 3}}", "is not the index of a sharded model")]
    [InlineData("{", "is not the index of a sharded model")]
    public void A_wrong_index_is_explained(string index, string expected)
    {
        using var x = zeros(1);
        SafetensorsFile.Write(Path.Combine(folder, "a.safetensors"), [new("x", x)]);
        File.WriteAllText(Path.Combine(folder, "model.safetensors.index.json"), index);
        Assert.Contains(expected, Assert.ThrowsAny<Exception>(() => SafetensorsFolder.Open(folder)).Message, StringComparison.Ordinal);
    }

    private string Message<T>() where T : Exception => Assert.Throws<T>(() => SafetensorsFolder.Open(folder)).Message;
}
