using System.Text.Json;
using Parsimony.FineTuning;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tests.Models;
using Xunit;
using static Parsimony.Tests.Cli.CliRun;
using static TorchSharp.torch;

namespace Parsimony.Tests.Cli;

/// <summary>An SAE trained anew on the tuned model: <c>train --adapter</c> and what follows from it.</summary>
public sealed class TunedModelTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly string model, text, run, adapter;

    public TunedModelTests()
    {
        model = SomeFolder.Model(folder.File("model"));
        (text, run) = (folder.File("text.txt"), folder.File("run"));
        File.WriteAllText(text, string.Concat(Enumerable.Range(0, 120).Select(i => $"The {i}th hen laid {i * 7 % 13} eggs.\n")));
        Json(Train(run));
        adapter = Adapter("real", scale: 1.5f, shift: 0.1f);
    }

    public void Dispose() => folder.Dispose();

    private string[] Train(string to, params string[] more) =>
    [
        "train", "--model", model, "--text", text, "--out", to, "--sequence-length", "32", "--d-sae", "24", "--training-tokens", "2048", "--batch-tokens", "128", "--learning-rate", "1e-3", "--json", .. more,
    ];

    /// <summary>Dials in delta mode on the run's SAE.</summary>
    private string Adapter(string name, float scale, float shift)
    {
        using var loaded = Transformer.Load(model);
        using var scope = NewDisposeScope();
        using var dials = FeatureDials.Of(HookPoint.Parse("blocks.1.mlp_out"), full(24, scale), full(24, shift));
        AdapterFolder.Save(folder.File(name), [dials], new AdapterMetadata
        {
            BaseModelName = "some",
            BaseModelSha256 = loaded.Sha256!,
            Hooks = [new(dials.At, 24, Path.Combine(run, "sae"), Parsimony.Autoencoders.SaeFolder.Sha256(Path.Combine(run, "sae")))],
            Mode = SpliceMode.Delta,
        });
        return folder.File(name);
    }

    private static byte[] Weights(string run) => File.ReadAllBytes(Path.Combine(run, "sae", "sae_weights.safetensors"));

    private static JsonElement Config(string run) => JsonDocument.Parse(File.ReadAllText(Path.Combine(run, "config.json"))).RootElement.GetProperty("train");

    [Fact]
    public void With_identity_dials_it_is_the_SAE_of_the_plain_model_bit_by_bit_and_with_real_ones_another()
    {
        Json(Train(folder.File("identity"), "--adapter", Adapter("rest", 1, 0)));
        Json(Train(folder.File("tuned"), "--adapter", adapter));
        Assert.Equal(Weights(run), Weights(folder.File("identity")));
        Assert.NotEqual(Weights(run), Weights(folder.File("tuned")));
    }

    [Fact]
    public void A_run_knows_its_adapter_by_its_SHA_256_and_does_not_go_on_with_another()
    {
        string to = folder.File("tuned");
        Json(Train(to, "--adapter", adapter));
        Assert.Equal(AdapterFolder.Sha256(adapter), Config(to).GetProperty("adapter_sha256").GetString());
        Assert.Contains("adapter_sha256 was", Fail(1, Train(to, "--adapter", Adapter("other", 1.4f, 0))), StringComparison.Ordinal);
        Assert.Contains("adapter_sha256 was", Fail(1, Train(to)), StringComparison.Ordinal);
        Assert.Contains("adapter_sha256 was", Fail(1, Train(run, "--adapter", adapter)), StringComparison.Ordinal);
        string moved = folder.File("moved");
        Directory.CreateDirectory(moved);
        foreach (string file in Directory.GetFiles(adapter)) File.Copy(file, Path.Combine(moved, Path.GetFileName(file)));
        Json(Train(to, "--adapter", moved));                                                 // the same adapter elsewhere
        Assert.Contains("is wanted", Fail(1, Train(folder.File("demanding"), "--adapter", adapter, "--adapter-sha256", new string('0', 64))), StringComparison.Ordinal);
        Assert.Contains("neither an adapter folder nor a run folder", Fail(1, Train(folder.File("none"), "--adapter", folder.File("nowhere"))), StringComparison.Ordinal);
    }

    [Fact]
    public void It_is_evaluated_and_read_in_the_tuned_model_and_refused_in_the_plain_one()
    {
        string to = folder.File("tuned");
        Json(Train(to, "--adapter", adapter));
        string[] how = ["--text", text, "--sequence-length", "32", "--max-contexts", "8", "--json"];
        var (mine, old, plain) = (Json(["evaluate", to, .. how]), Json(["evaluate", run, "--adapter", adapter, "--out", folder.File("old"), .. how]), Json(["evaluate", run, .. how]));
        Assert.Equal(mine.GetProperty("ce_clean").GetDouble(), old.GetProperty("ce_clean").GetDouble());
        Assert.NotEqual(mine.GetProperty("ce_clean").GetDouble(), plain.GetProperty("ce_clean").GetDouble());
        Assert.Equal(AdapterFolder.Sha256(adapter), mine.GetProperty("evaluation").GetProperty("adapter_sha256").GetString());
        Assert.NotEmpty(Json("generate", "The hen", "--sae", to, "--max-new-tokens", "3", "--json").GetProperty("continuations")[0].GetProperty("tokens").EnumerateArray());
        Assert.Equal(24, Json("index", to, "--max-tokens", "640", "--json").GetProperty("d_sae").GetInt32());
        Assert.Contains("was trained on the model tuned by the adapter", Fail(null, "finetune", run, to, "--data", text, "--out", folder.File("both")), StringComparison.Ordinal);
        Directory.Delete(adapter, recursive: true);
        Assert.Contains("Put it there again", Fail(1, ["evaluate", to, .. how]), StringComparison.Ordinal);
    }

    [Fact]
    public void A_cache_of_the_tuned_model_gives_the_same_SAE_and_no_other_runs_cache_is_taken()
    {
        string cache = folder.File("cache"), to = folder.File("cached");
        string[] harvest = ["harvest", "--model", model, "--text", text, "--sequence-length", "32", "--precision", "fp32", "--out", cache, "--json"];
        var kept = Json([.. harvest, "--adapter", adapter]);
        Assert.Equal(AdapterFolder.Sha256(adapter), kept.GetProperty("adapter_sha256").GetString());
        Assert.Contains("the adapter's SHA-256 was", Fail(1, harvest), StringComparison.Ordinal);
        string[] train = ["train", "--cache", cache, "--out", to, .. Train(to)[7..]];
        Json(train);
        Json(Train(folder.File("tuned"), "--adapter", adapter));
        Assert.Equal(Weights(folder.File("tuned")), Weights(to));
        Json([.. train[..4], folder.File("told"), .. train[5..], "--adapter", adapter]);
        Assert.Contains("asked for is the adapter", Fail(1, [.. train[..4], folder.File("wrong"), .. train[5..], "--adapter", Adapter("other", 1.4f, 0)]), StringComparison.Ordinal);
        Assert.True(Json("evaluate", to, "--model", model, "--text", text, "--sequence-length", "32", "--max-contexts", "4", "--json").GetProperty("ce_clean").GetDouble() > 0);
    }

    [Fact]
    public void What_was_learned_in_a_run_is_the_adapter_that_the_run_stands_for_and_its_directions_are_compared()
    {
        Json("finetune", run, "--data", text, "--sequence-length", "32", "--steps", "6", "--batch-size", "4", "--learning-rate", "0.05", "--held-out-fraction", "0.2", "--json");
        string to = folder.File("tuned");
        var plan = Json(Train(to, "--adapter", run, "--plan"));
        Assert.Equal(sizeof(float) * (2 * 16 * 24 + 24 + 16), plan.GetProperty("memory").GetProperty("adapter").GetInt64());
        Assert.False(Directory.Exists(to));
        Json(Train(to, "--adapter", run));
        Assert.Equal(AdapterFolder.Sha256(Path.Combine(run, "adapter")), Config(to).GetProperty("adapter_sha256").GetString());
        var analysis = Json("analyse", run, "--null-runs", "1", "--examples", "4", "--retrained", to, "--json").GetProperty("analysis");
        Assert.InRange(analysis.GetProperty("directions").GetProperty("mean_max_cosine").GetDouble(), 0.1, 1);
    }

    [Fact]
    public void A_baseline_is_an_adapter_like_any_other()
    {
        string plain = folder.File("plain-2");
        Json(Train(plain, "--hook", "blocks.2.mlp_out")); // behind the layer that is tuned, of which LoRA changes the attention
        foreach (string method in (string[])["lora", "random_dictionary"])
        {
            string learned = folder.File(method), to = folder.File($"on-{method}");
            Json("finetune", run, "--data", text, "--sequence-length", "32", "--steps", "6", "--batch-size", "4", "--learning-rate", "0.05", "--held-out-fraction", "0.2", "--null-run", "false",
                "--method", method, "--out", learned, "--json");
            Json(Train(to, "--adapter", learned, "--hook", "blocks.2.mlp_out"));
            Assert.NotEqual(Weights(plain), Weights(to));
            Assert.Equal(AdapterFolder.Sha256(Path.Combine(learned, "adapter")), Config(to).GetProperty("adapter_sha256").GetString());
            Assert.True(Json("evaluate", to, "--text", text, "--sequence-length", "32", "--max-contexts", "4", "--json").GetProperty("ce_clean").GetDouble() > 0);
        }
        Json("dpo", run, "--data", Pairs(), "--steps", "2", "--batch-size", "2", "--null-run", "false", "--method", "ia3", "--out", folder.File("dpo"), "--json");
        Assert.Contains("\"IA3\"", File.ReadAllText(Path.Combine(folder.File("dpo"), "dpo", "adapter", "adapter_config.json")), StringComparison.Ordinal);
        Assert.Contains("has no dials learned by", Fail(1, "analyse", folder.File("dpo")), StringComparison.Ordinal);
        Assert.Contains("merge, compile and combine are for dials", Fail(2, "adapter", "merge", Path.Combine(folder.File("lora"), "adapter"), "--model", model), StringComparison.Ordinal);
        Assert.Contains("Leave --sae and --mode out", Fail(2, "generate", "The", "--sae", run, "--adapter", Path.Combine(folder.File("lora"), "adapter")), StringComparison.Ordinal);
        string[] generate = ["generate", "The", "--max-new-tokens", "3", "--adapter", Path.Combine(folder.File("lora"), "adapter"), "--json"]; // the run knows its model
        Assert.NotEmpty(Json(generate).GetProperty("continuations")[0].GetProperty("tokens").EnumerateArray());
        Assert.Contains("the adapter was trained on model", Fail(1, [.. generate, "--model", SomeFamily.Folder(folder.File("llama"), "llama")]), StringComparison.Ordinal);
        Assert.Equal("PARSIMONY_DIALS", JsonDocument.Parse(File.ReadAllText(Path.Combine(folder.File("random_dictionary"), "adapter", "adapter_config.json"))).RootElement.GetProperty("peft_type").GetString());
        var analysis = Json("analyse", folder.File("random_dictionary"), "--null-runs", "1", "--examples", "4", "--json").GetProperty("analysis");
        Assert.True(analysis.GetProperty("features").GetArrayLength() > 0);

        string Pairs()
        {
            string path = folder.File("pairs.jsonl");
            File.WriteAllLines(path, Enumerable.Range(0, 8).Select(i => JsonSerializer.Serialize(new { prompt = $"The {i}th hen", chosen = " laid eggs", rejected = " SLEPT" })));
            return path;
        }
    }

    [Fact]
    public void A_sweep_on_the_tuned_model_is_trained_and_measured_in_it()
    {
        string sweep = folder.File("sweep.json");
        File.WriteAllText(sweep, JsonSerializer.Serialize(new
        {
            model,
            text,
            adapter,
            sequence_length = 32,
            @out = folder.File("sweep"),
            buffer = new { batch_tokens = 128 },
            sae = new { training_tokens = 640, d_sae = 24 },
            grid = new { seed = new[] { 0, 1 } },
            evaluate = new { text, sequence_length = 32, max_contexts = 4, layer_sweep = false },
        }));
        var row = Json("train", sweep, "--json").EnumerateArray().First();
        var alone = Json("evaluate", run, "--adapter", adapter, "--text", text, "--sequence-length", "32", "--max-contexts", "4", "--layer-sweep", "false", "--out", folder.File("alone"), "--json");
        Assert.Equal(alone.GetProperty("ce_clean").GetDouble(), row.GetProperty("mean").GetProperty("ce_clean").GetDouble(), 1e-12);
    }
}
