using System.Text.Json;
using Parsimony.Models;
using Parsimony.Models.TorchFiles;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Models.TorchFiles;

public sealed class TorchFolderTests : IDisposable
{
    private readonly TemporaryFolder there = new();
    private readonly string folder;

    public TorchFolderTests() => folder = SomeFamily.Folder(there.File("model"), "gpt2");

    public void Dispose() => there.Dispose();

    [Fact]
    public void A_model_saved_by_torch_whole_or_in_shards_is_the_model_saved_as_safetensors()
    {
        using var nograd = no_grad();
        using var scope = NewDisposeScope();
        var tokens = Some.Tokens();
        var logits = Logits(tokens);
        ToTorch(shards: 1);
        Assert.True(logits.SameBits(Logits(tokens)));
        ToTorch(shards: 2);
        Assert.False(File.Exists(Path.Combine(folder, "model.safetensors")));
        Assert.True(logits.SameBits(Logits(tokens)));
        using var weights = Assert.IsType<TorchFolder>(ModelWeights.Open(folder));
        Assert.Equal(2, weights.Paths.Count());
        Assert.Matches("^[0-9a-f]{64}$", weights.Sha256);
        Assert.Equal("model", Cli.CliRun.Json("inspect", folder, "--json").GetProperty("kind").GetString());
    }

    [Fact]
    public void A_missing_shard_is_named()
    {
        ToTorch(shards: 2);
        File.Delete(Path.Combine(folder, "pytorch_model-2.bin"));
        Assert.Contains("names the shard 'pytorch_model-2.bin', which is not there", Message<FileNotFoundException>(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_truncated_shard_is_named()
    {
        ToTorch(shards: 2);
        string shard = Path.Combine(folder, "pytorch_model-2.bin");
        File.WriteAllBytes(shard, File.ReadAllBytes(shard)[..^40]);
        Assert.Contains("pytorch_model-2.bin' is not a file of torch.save, or it is cut off", Message<InvalidDataException>(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"weight_map": {"a": "pytorch_model-1.bin", "a": "pytorch_model-2.bin"}}""", "names the tensor 'a' twice")]
    [InlineData("""{"weight_map": {"a": "pytorch_model-1.bin"}}""", "says that 'pytorch_model-1.bin' holds the tensor 'a', but it does not")]
    [InlineData("""{"weight_map": {"a": "../x.bin"}}""", "names the shard '../x.bin'; a shard must be a file of the same folder")]
    [InlineData("[]", "is not the index of a sharded model")]
    public void An_index_that_does_not_fit_its_shards_is_refused(string index, string fault)
    {
        ToTorch(shards: 2);
        File.WriteAllText(Path.Combine(folder, "pytorch_model.bin.index.json"), index);
        Assert.Contains(fault, Message<InvalidDataException>(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_safetensors_index_that_names_a_tensor_twice_is_refused_too()
    {
        File.Move(Path.Combine(folder, "model.safetensors"), Path.Combine(folder, "one.safetensors"));
        File.WriteAllText(Path.Combine(folder, "model.safetensors.index.json"), """{"weight_map": {"a": "one.safetensors", "a": "one.safetensors"}}""");
        Assert.Contains("names the tensor 'a' twice", Message<InvalidDataException>(), StringComparison.Ordinal);
    }

    [Fact]
    public void An_embedding_smaller_than_the_config_promises_is_refused()
    {
        string config = Path.Combine(folder, "config.json");
        File.WriteAllText(config, File.ReadAllText(config).Replace("\"vocab_size\":257", "\"vocab_size\":300", StringComparison.Ordinal));
        using var model = Transformer.Load(folder);
        using var tokens = Some.Tokens();
        Assert.Contains("has shape [257, 16]; config.json promises [300, 16]", Assert.Throws<InvalidDataException>(() => model.Forward(tokens)).Message, StringComparison.Ordinal);
    }

    private string Message<T>() where T : Exception => Assert.Throws<T>(() => Transformer.Load(folder)).Message;

    private Tensor Logits(Tensor tokens)
    {
        using var model = Transformer.Load(folder);
        return model.Forward(tokens);
    }

    /// <summary>Writes the folder's weights as torch does, instead of what was there.</summary>
    private void ToTorch(int shards)
    {
        using var scope = NewDisposeScope();
        using (var weights = ModelWeights.Open(folder))
        {
            var all = weights.Names.Order(StringComparer.Ordinal).Select(n => KeyValuePair.Create(n, (object)weights.Read(n))).ToArray();
            if (shards == 1) TorchFile.Write(Path.Combine(folder, "pytorch_model.bin"), all);
            else
            {
                var map = new Dictionary<string, string>();
                foreach (var (part, i) in all.Chunk((all.Length + shards - 1) / shards).Select((part, i) => (part, i)))
                {
                    string shard = $"pytorch_model-{i + 1}.bin";
                    TorchFile.Write(Path.Combine(folder, shard), part);
                    foreach (var (name, _) in part) map[name] = shard;
                }
                File.WriteAllText(Path.Combine(folder, "pytorch_model.bin.index.json"), JsonSerializer.Serialize(new { weight_map = map }));
            }
        }
        File.Delete(Path.Combine(folder, "model.safetensors"));
        if (shards > 1) File.Delete(Path.Combine(folder, "pytorch_model.bin"));
    }
}
