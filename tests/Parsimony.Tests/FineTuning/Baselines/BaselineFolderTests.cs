using System.Text.Json;
using Parsimony.FineTuning;
using Parsimony.FineTuning.Baselines;
using Parsimony.Models;
using Parsimony.Tests.Models;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Baselines;

public sealed class BaselineFolderTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    public static TheoryData<string, string> KindsAndFamilies => [.. from kind in SomeAdapter.Kinds from family in SomeFamily.All select (kind, family)];

    /// <summary>A model from a folder, so that it has a hash.</summary>
    private Transformer Model(string family) => Transformer.Load(Directory.Exists(folder.File(family)) ? folder.File(family) : SomeFamily.Folder(folder.File(family), family));

    private string Saved(IAdapter adapter, Transformer model, string name = "adapter")
    {
        BaselineFolder.Save(folder.File(name), adapter, model.Config, new BaselineMetadata("some", model.Sha256!, new Dictionary<string, double> { ["held_out_after"] = 1.5, ["kl"] = double.NaN }));
        return folder.File(name);
    }

    private static JsonElement Config(string at) => JsonDocument.Parse(File.ReadAllText(Path.Combine(at, "adapter_config.json"))).RootElement;

    [Theory]
    [InlineData("lora")]
    [InlineData("lora_all")]
    [InlineData("ia3")]
    public void PEFT_loads_what_was_saved_and_says_the_same(string name)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        string fixtures = Path.Combine(Shared.RepositoryRoot(), "tests", "fixtures", "peft");
        using var peft = SafetensorsFile.Open(Path.Combine(fixtures, "logits.safetensors"));
        using var model = Transformer.Load(Path.Combine(Shared.RepositoryRoot(), "assets", "demo"));
        using var adapter = BaselineFolder.Load(Path.Combine(fixtures, name), model);
        Tensor Some(Tensor logits) => logits.index_select(1, tensor(new long[] { 0, 7, 15, 23 })).index_select(2, arange(0, 4096, 64, ScalarType.Int64));
        var tokens = peft.Read("tokens");
        Tensor plain = Some(model.Forward(tokens)), ours = Some(model.Forward(tokens, adapter.Tap()));
        Assert.InRange((plain - peft.Read("plain")).abs().max().item<float>(), 0, 1e-4);
        Assert.InRange((ours - peft.Read(name)).abs().max().item<float>(), 0, 1e-4);
        Assert.True((ours - plain).abs().max().item<float>() > 0.1);
    }

    [Theory, MemberData(nameof(KindsAndFamilies))]
    public void What_is_loaded_does_bit_by_bit_what_was_saved(string kind, string family)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        using var model = Model(family);
        using var adapter = SomeAdapter.Learnt(kind, model);
        string at = Saved(adapter, model);
        Assert.True(BaselineFolder.IsOne(at) && AdapterFolder.IsOne(at) && !AdapterFolder.HoldsDials(at));
        using var loaded = BaselineFolder.Load(at, model);
        Assert.Equal((adapter.Method, adapter.TrainableParameters, adapter.Positions), (loaded.Method, loaded.TrainableParameters, loaded.Positions));
        Assert.Equal(adapter.Identity, loaded.Identity);
        Assert.Equal(adapter.Hooks, loaded.Hooks);
        var tokens = Some.Tokens();
        Assert.True(model.Forward(tokens, adapter.Tap()).SameBits(model.Forward(tokens, loaded.Tap())));
        Assert.False(model.Forward(tokens).SameBits(model.Forward(tokens, loaded.Tap())));
        Assert.Equal(AdapterFolder.Sha256(at), AdapterFolder.Sha256(Saved(loaded, model, "again"))); // not only in effect
        Assert.Equal(1.5, Assert.Single(BaselineFolder.Results(at)).Value);
        Assert.StartsWith("---", File.ReadAllText(Path.Combine(at, "README.md")), StringComparison.Ordinal);
    }

    [Fact]
    public void LoRA_has_PEFTs_names_so_that_PEFTs_arithmetic_on_them_gives_the_same_logits()
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        foreach (string family in SomeFamily.All)
        {
            using var model = Model(family);
            using var adapter = SomeAdapter.Learnt("lora", model);
            string at = Saved(adapter, model, $"lora-{family}");
            var config = Config(at);
            Assert.Equal(("LORA", 3, 6.0, "CAUSAL_LM", "none"), (config.GetProperty("peft_type").GetString(), config.GetProperty("r").GetInt32(), config.GetProperty("lora_alpha").GetDouble(),
                config.GetProperty("task_type").GetString(), config.GetProperty("bias").GetString()));
            Assert.Equal(family == "gpt2", config.GetProperty("fan_in_fan_out").GetBoolean());
            Assert.Equal([0, 2], config.GetProperty("layers_to_transform").EnumerateArray().Select(l => l.GetInt32()));
            Assert.False(config.TryGetProperty("parsimony", out _)); // an older PEFT refuses what it does not know

            // By PEFT's names alone: W + (alpha / r) B A of each module, in the layers that are named.
            using var file = SafetensorsFile.Open(Path.Combine(at, "adapter_model.safetensors"));
            string[] targets = [.. config.GetProperty("target_modules").EnumerateArray().Select(t => t.GetString()!)];
            string[] names = [.. file.Tensors.Keys.Where(k => k.EndsWith(".lora_A.weight", StringComparison.Ordinal)).Select(k => k["base_model.model.".Length..^".lora_A.weight".Length])];
            Assert.All(names, name => Assert.Contains(targets, t => name.EndsWith("." + t, StringComparison.Ordinal)));
            Assert.Equal(2 * targets.Length, names.Length);
            using var source = SafetensorsFile.Open(Path.Combine(folder.File(family), "model.safetensors"));
            var merged = new MergedWeights(source, names.ToDictionary(n => n + ".weight", n =>
            {
                var change = config.GetProperty("lora_alpha").GetDouble() / 3 * file.Read($"base_model.model.{n}.lora_B.weight").matmul(file.Read($"base_model.model.{n}.lora_A.weight"));
                return config.GetProperty("fan_in_fan_out").GetBoolean() ? change.t() : change;
            }));
            using var byHand = new Transformer(model.Config, merged);
            var tokens = Some.Tokens();
            Assert.True(byHand.Forward(tokens).allclose(model.Forward(tokens, adapter.Tap()), 1e-4, 1e-5), family);
        }
    }

    [Theory]
    [InlineData("gpt_neox", "ia3", "layers.2.mlp.dense_4h_to_h", "layers.0.attention.query_key_value")]
    [InlineData("gpt2", "ia3", "h.2.mlp.c_proj", "h.0.attn.c_attn")]
    [InlineData("llama", "ia3", "layers.2.mlp.down_proj", "layers.0.self_attn.k_proj", "layers.0.self_attn.v_proj")]
    [InlineData("llama", "ia3 with queries", "layers.2.mlp.down_proj", "layers.0.self_attn.q_proj", "layers.0.self_attn.k_proj", "layers.0.self_attn.v_proj")]
    public void IA3_has_PEFTs_names_and_its_scales_are_one_and_gamma(string family, string kind, string last, params string[] first)
    {
        using var scope = NewDisposeScope();
        using var model = Model(family);
        using var adapter = SomeAdapter.Learnt(kind, model);
        var config = Config(Saved(adapter, model));
        string[] targets = [.. config.GetProperty("target_modules").EnumerateArray().Select(t => t.GetString()!)];
        Assert.Equal("IA3", config.GetProperty("peft_type").GetString());
        Assert.Equal([.. first, last], targets.Where(t => first.Contains(t) || t == last));
        Assert.Equal(2 * (first.Length + 1), targets.Length);
        Assert.Contains(last, config.GetProperty("feedforward_modules").EnumerateArray().Select(t => t.GetString()));
        using var file = SafetensorsFile.Open(Path.Combine(folder.File("adapter"), "adapter_model.safetensors"));
        string prefix = family == "gpt_neox" ? "gpt_neox." : family == "gpt2" ? "transformer." : "model.";
        var down = file.Read($"base_model.model.{prefix}{last}.ia3_l");
        Assert.Equal([1, model.Config.DMlp], down.shape);
        Assert.True((1 + adapter.Parameters["blocks.2.mlp_post.gamma"]).SameBits(down.view(-1)));
        var heads = cat([.. first.Select(f => file.Read($"base_model.model.{prefix}{f}.ia3_l"))], 0);
        Assert.Equal(1, heads.size(1));
        Assert.True((1 + adapter.Parameters["blocks.0.attn_qkv.gamma"]).SameBits(heads.view(-1)));
        Assert.Equal(2 * (first.Length + 1), file.Tensors.Count);
    }

    [Fact]
    public void What_PEFT_cannot_hold_has_a_name_of_its_own()
    {
        using var scope = NewDisposeScope();
        using var model = Model("gpt_neox");
        string Type(IAdapter adapter)
        {
            using (adapter) return Config(Saved(adapter, model)).GetProperty("peft_type").GetString()!;
        }
        Assert.Equal("PARSIMONY_LORA", Type(SomeAdapter.Make("lora", model, TokenPositions.Prompt)));
        using (var loaded = BaselineFolder.Load(folder.File("adapter"), model)) Assert.Equal(TokenPositions.Prompt, loaded.Positions);
        Assert.Equal("PARSIMONY_IA3", Type(SomeAdapter.Make("ia3 without queries", model))); // PEFT scales the whole joint output
        foreach (string kind in (string[])["bias", "neurons", "steering", "full"]) Assert.Equal($"PARSIMONY_{kind.ToUpperInvariant()}", Type(SomeAdapter.Make(kind, model)));
        Assert.Contains("no baseline", Assert.Throws<ArgumentException>(() => Saved(new ClampAdapter(new(1, HookSite.MlpOut), Some.Sae(), 0, 1), model)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_scale_of_any_size_comes_back_bit_by_bit()
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        using var model = Model("gpt_neox");
        using var adapter = SomeAdapter.Make("ia3", model);
        float[] sizes = [1e-9f, 1e-4f, 0.3f, 0.49999997f, 1, 3, 1e3f, 1e7f];
        foreach (var (name, gamma) in adapter.Parameters)
        {
            using var generator = new Generator(3, CPU);
            gamma.copy_(randn(gamma.shape, generator: generator) * tensor(sizes).repeat(gamma.size(0) / sizes.Length) - (name.EndsWith("mlp_post.gamma", StringComparison.Ordinal) ? 1 : 0));
        }
        using var loaded = BaselineFolder.Load(Saved(adapter, model), model);
        foreach (var (name, gamma) in adapter.Parameters) Assert.True((1 + gamma).SameBits(1 + loaded.Parameters[name]), name);
    }

    [Fact]
    public void Another_model_and_damaged_files_are_refused_by_name()
    {
        using var model = Model("gpt_neox");
        using var other = Model("llama");
        using var adapter = SomeAdapter.Learnt("lora", model);
        string at = Saved(adapter, model), config = Path.Combine(at, "adapter_config.json");
        string says = Assert.Throws<InvalidDataException>(() => BaselineFolder.Load(at, other)).Message;
        Assert.Equal($"the adapter was trained on model {model.Sha256![..12]} ('some'); this model is {other.Sha256![..12]}. Use the model it was trained on.", says);
        SafetensorsFile.Write(Path.Combine(at, "adapter_model.safetensors"), new Dictionary<string, Tensor> { ["x"] = zeros(1) });
        Assert.Contains("does not say by a SHA-256", Assert.Throws<InvalidDataException>(() => BaselineFolder.Load(at, model)).Message, StringComparison.Ordinal);
        using var full = SomeAdapter.Learnt("full", model);
        at = Saved(full, model, "full");
        SafetensorsFile.Write(Path.Combine(at, "adapter_model.safetensors"), new Dictionary<string, Tensor> { ["x"] = zeros(1) });
        Assert.Contains("must hold 'blocks.0.qkv.weight'", Assert.Throws<InvalidDataException>(() => BaselineFolder.Load(at, model)).Message, StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(at, "adapter_config.json"), "{}");
        Assert.Contains("'peft_type' is missing", Assert.Throws<InvalidDataException>(() => BaselineFolder.IsOne(at)).Message, StringComparison.Ordinal);
        Assert.Throws<FileNotFoundException>(() => BaselineFolder.Load(folder.File("nowhere"), model));
    }

    [Fact]
    public void Parts_of_a_joint_map_with_different_A_are_refused()
    {
        using var scope = NewDisposeScope();
        using var model = Model("llama");
        using var adapter = SomeAdapter.Learnt("lora", model);
        string path = Path.Combine(Saved(adapter, model), "adapter_model.safetensors");
        Dictionary<string, Tensor> tensors;
        Dictionary<string, string> metadata;
        using (var file = SafetensorsFile.Open(path)) (tensors, metadata) = (file.Tensors.Keys.ToDictionary(k => k, k => file.Read(k)), file.Metadata.ToDictionary());
        _ = tensors["base_model.model.model.layers.0.self_attn.k_proj.lora_A.weight"].add_(1);
        SafetensorsFile.Write(path, tensors, metadata);
        Assert.Contains("differ; the parts of a map", Assert.Throws<InvalidDataException>(() => BaselineFolder.Load(folder.File("adapter"), model)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void No_tensor_is_left_behind()
    {
        using var model = Model("llama");
        using var adapter = SomeAdapter.Learnt("lora", model);
        Once();
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        Once();
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);

        void Once() => BaselineFolder.Load(Saved(adapter, model), model).Dispose();
    }

    /// <summary>A model's weights with changes added to some.</summary>
    private sealed class MergedWeights(SafetensorsFile file, Dictionary<string, Tensor> changes) : IWeightSource
    {
        public IReadOnlyCollection<string> Names => [.. file.Tensors.Keys];

        public string? Sha256 => null;

        public bool Contains(string name) => file.Contains(name);

        public IReadOnlyList<long> Shape(string name) => file.Tensors[name].Shape;

        public Tensor Read(string name) => changes.TryGetValue(name, out var change) ? file.Read(name) + change : file.Read(name);

        public void Dispose()
        {
        }
    }
}
