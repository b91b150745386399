using System.Text.Json.Nodes;
using Parsimony.Models;
using Parsimony.Tools.RandomModels;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Tools;

public sealed class RandomModelTests : IDisposable
{
    private static readonly GptNeoXConfig Config = Some.Config() with { DVocab = 257 };
    private static readonly string Tokenizer = Path.Combine(Shared.RepositoryRoot(), "assets", "demo", "tokenizer.json");
    private readonly TemporaryFolder temporary = new();

    public void Dispose() => temporary.Dispose();

    private string Write(string name, long shardBytes = 5_000_000_000, ScalarType type = ScalarType.BFloat16, long seed = 0)
    {
        string folder = temporary.File(name);
        new RandomModel(Config, type, shardBytes, seed).Write(folder, Tokenizer);
        return folder;
    }

    [Theory]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.Float32)]
    public void The_folder_opens_as_the_model_it_is_like_and_its_logits_are_finite(ScalarType type)
    {
        string folder = Write("model", type: type);
        using var model = Transformer.Load(folder);
        Assert.Equal(Config, model.Config);
        using var weights = SafetensorsFolder.Open(folder);
        Assert.Equal(type, weights.StoredType("embed_out.weight"));
        using var tokens = Some.Tokens();
        using var logits = model.Forward(tokens);
        Assert.True(logits.isfinite().all().item<bool>());
    }

    [Fact]
    public void Matrices_have_the_deviation_promised_those_that_write_to_the_residual_a_smaller_one()
    {
        using var weights = SafetensorsFolder.Open(Write("model", type: ScalarType.Float32));
        double Deviation(string name)
        {
            using var w = weights.Read(name);
            return w.std().item<float>();
        }
        // [32, 16] and more: the standard error of a deviation of 512 numbers is 3 %
        Assert.InRange(Deviation("gpt_neox.layers.1.mlp.dense_h_to_4h.weight") / 0.02, 0.87, 1.13);
        Assert.InRange(Deviation("gpt_neox.layers.1.mlp.dense_4h_to_h.weight") / 0.02 * Math.Sqrt(6), 0.87, 1.13);
        Assert.InRange(Deviation("gpt_neox.layers.1.attention.dense.weight") / 0.02 * Math.Sqrt(6), 0.8, 1.2);
        using var gain = weights.Read("gpt_neox.layers.0.input_layernorm.weight");
        using var bias = weights.Read("gpt_neox.layers.0.mlp.dense_4h_to_h.bias");
        Assert.True(gain.eq(1).all().item<bool>() && bias.eq(0).all().item<bool>());
    }

    [Fact]
    public void Shards_hold_the_bytes_of_the_whole_file_under_the_names_of_Hugging_Face()
    {
        string whole = Write("whole"), sharded = Write("sharded", shardBytes: 9000);
        using var one = SafetensorsFolder.Open(whole);
        using var many = SafetensorsFolder.Open(sharded);
        string[] files = [.. many.Paths.Select(p => Path.GetFileName(p)!)];
        Assert.True(files.Length > 2);
        Assert.Equal(Enumerable.Range(1, files.Length).Select(i => $"model-{i:00000}-of-{files.Length:00000}.safetensors"), files);
        Assert.Equal(one.Names.Order(), many.Names.Order());
        foreach (string name in one.Names)
        {
            using Tensor a = one.Read(name), b = many.Read(name);
            Assert.True(a.eq(b).all().item<bool>(), name);
        }
        var index = JsonNode.Parse(File.ReadAllText(Path.Combine(sharded, "model.safetensors.index.json")))!;
        Assert.Equal(2 * ModelTensors.Of(Config).Sum(t => t.Elements), (long)index["metadata"]!["total_size"]!);
        Assert.All(files, f => Assert.InRange(new FileInfo(Path.Combine(sharded, f)).Length, 1, 9000 + 4000)); // + header
    }

    [Fact]
    public void The_seed_alone_decides_the_bytes()
    {
        byte[] Bytes(string folder) => File.ReadAllBytes(Path.Combine(folder, "model.safetensors"));
        Assert.Equal(Bytes(Write("one")), Bytes(Write("another")));
        Assert.NotEqual(Bytes(Write("a")), Bytes(Write("b", seed: 1)));
    }

    [Fact]
    public void No_two_tensors_are_the_same()
    {
        using var weights = SafetensorsFolder.Open(Write("model"));
        var matrices = weights.Names.Where(n => weights.Shape(n).Count == 2).Select(n => weights.Read(n)).ToList();
        var beginnings = matrices.Select(m => m.flatten()[0].item<float>()).ToList();
        matrices.ForEach(m => m.Dispose());
        Assert.Equal(beginnings.Count, beginnings.Distinct().Count());
    }

    [Fact]
    public void A_tensor_larger_than_the_block_goes_round_in_it()
    {
        using var block = new RandomBlock(ScalarType.BFloat16, 1, 0);
        using var cut = block.Cut([2 * RandomBlock.Length + 5], 3);
        using Tensor first = cut[TensorIndex.Slice(0, 5)], last = cut[TensorIndex.Slice(2L * RandomBlock.Length)];
        Assert.True(first.eq(last).all().item<bool>());
    }

    [Fact]
    public void A_folder_that_is_there_is_not_touched_and_a_missing_tokenizer_is_named()
    {
        Directory.CreateDirectory(temporary.File("mine"));
        Assert.Contains("is there already", Assert.Throws<IOException>(() => Write("mine")).Message, StringComparison.Ordinal);
        var e = Assert.Throws<FileNotFoundException>(() => new RandomModel(Config, ScalarType.BFloat16, 1 << 20, 0).Write(temporary.File("new"), temporary.File("none.json")));
        Assert.Contains("none.json", e.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(temporary.File("new")) || Directory.Exists(temporary.File("new.tmp")));
    }

    [Theory]
    [InlineData("5GB", 5_000_000_000)]
    [InlineData("500mb", 500_000_000)]
    [InlineData("1.5GB", 1_500_000_000)]
    [InlineData("9000", 9000)]
    public void Sizes_are_read_as_Hugging_Face_reads_them(string text, long bytes) => Assert.Equal(bytes, RandomModelCommand.Bytes(text));

    [Theory]
    [InlineData("GB")]
    [InlineData("0")]
    [InlineData("-1GB")]
    [InlineData("5 parsecs")]
    public void Other_sizes_are_refused(string text) => Assert.Throws<ArgumentException>(() => RandomModelCommand.Bytes(text));
}
