using System.Text.Json;
using Parsimony.Cli;
using Parsimony.Files;
using Xunit;
using static Parsimony.Tests.Cli.CliRun;

namespace Parsimony.Tests.Cli;

public sealed class SweepCommandTests : IDisposable
{
    private const string Two = """ "grid": { "l1_coefficient": [0.01, 0.02] } """;
    private readonly TemporaryFolder folder = new();
    private readonly string model, text, sweep, output;

    public SweepCommandTests()
    {
        model = SomeFolder.Model(folder.File("model"));
        text = folder.File("text.txt");
        sweep = folder.File("sweep.json");
        output = folder.File("sweep");
        File.WriteAllText(text, string.Concat(Enumerable.Range(0, 200).Select(i => $"The {i}th hen laid {i * 7 % 13} eggs.\n")));
    }

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_grid_of_runs_is_trained_from_one_stream_each_as_alone_with_its_own_folder_and_a_line_in_the_summary()
    {
        Write("""
            "runs": [ { "name": "small", "d_sae": 32 }, { "hook": "blocks.2.resid_post", "expansion_factor": 4 } ], "grid": { "seed": [0, 7] }
            """);
        var rows = Json("train", sweep, "--learning-rate", "0.002", "--json").EnumerateArray().ToList();
        Assert.Equal(["small_seed-0", "small_seed-7", "hook-blocks.2.resid_post_expansion_factor-4_seed-0", "hook-blocks.2.resid_post_expansion_factor-4_seed-7"],
            rows.Select(r => r.GetProperty("name").GetString()));
        foreach (var row in rows)
        {
            Assert.Equal(2560, row.GetProperty("tokens_seen").GetInt64());
            Assert.True(row.GetProperty("l0").GetDouble() > 0 && row.GetProperty("seconds").GetDouble() > 0 && row.GetProperty("explained_variance").GetDouble() < 1);
            Assert.InRange(row.GetProperty("dead_fraction").GetDouble(), 0, 1);
            string run = row.GetProperty("folder").GetString()!, alone = folder.File("alone"), config = folder.File("alone.json");
            File.WriteAllText(config, JsonDocument.Parse(File.ReadAllText(Path.Combine(run, "config.json"))).RootElement.GetProperty("train").GetRawText());
            Assert.Contains("\"learning_rate\": 0.002", File.ReadAllText(config), StringComparison.Ordinal);
            Json("train", "--config", config, "--out", alone, "--json");
            foreach (string file in (string[])["sae/sae_weights.safetensors", "sae/cfg.json", "checkpoint.safetensors"])
                Assert.Equal(FileHash.Sha256(Path.Combine(alone, file)), FileHash.Sha256(Path.Combine(run, file)));
            Directory.Delete(alone, recursive: true);
        }
        Assert.Equal("7", rows[1].GetProperty("varied").GetProperty("seed").GetString());
        var (code, table, _) = Invoke(CancellationToken.None, "train", sweep, "--learning-rate", "0.002"); // done already: only shown
        Assert.Equal(0, code);
        Assert.Contains("EV", table, StringComparison.Ordinal);
        Assert.Contains("small_seed-7", table, StringComparison.Ordinal);
    }

    [Fact]
    public void Architectures_are_swept_like_any_other_key_a_transcoder_with_its_two_hook_points()
    {
        Write("""
            "grid": { "k": [4] }, "runs": [ { "name": "topk", "architecture": "topk" }, { "name": "batchtopk", "architecture": "batchtopk" },
              { "name": "transcoder", "architecture": "transcoder", "hook": "blocks.2.mlp_out" } ]
            """);
        var rows = Json("train", sweep, "--json").EnumerateArray().ToList();
        Assert.Equal(["topk_k-4", "batchtopk_k-4", "transcoder_k-4"], rows.Select(r => r.GetProperty("name").GetString()));
        Assert.Equal(4, rows[0].GetProperty("l0").GetDouble());
        string saved = File.ReadAllText(Path.Combine(rows[2].GetProperty("folder").GetString()!, "sae", "cfg.json"));
        Assert.Contains("blocks.2.mlp_in", saved, StringComparison.Ordinal);
        Assert.Contains("blocks.2.mlp_out", saved, StringComparison.Ordinal);
        Assert.Contains("--input-hook is blocks.0.mlp_in; it is a transcoder's only", Fail(2, [.. One, "--input-hook", "blocks.0.mlp_in"]), StringComparison.Ordinal);
    }

    [Fact]
    public void An_interrupted_sweep_says_how_to_go_on()
    {
        Write(Two);
        using var stop = new CancellationTokenSource();
        stop.Cancel();
        var (code, _, error) = Invoke(stop.Token, "train", sweep);
        Assert.Equal(App.InterruptedCode, code);
        Assert.Contains("the same command goes on from them", error, StringComparison.Ordinal);
        Assert.Equal(2, Json("train", sweep, "--json").GetArrayLength());
        Assert.Contains("was begun with other options: sae.learning_rate was 0.0001, is now 0.5", Fail(1, "train", sweep, "--learning-rate", "0.5"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(""" "evaluate": {} """, "names no SAEs")]
    [InlineData(""" "grid": { "l1_coeficient": [1] } """, "'l1_coeficient' is not a key in which SAEs of a sweep may differ. Did you mean 'l1_coefficient'?")]
    [InlineData(""" "grid": { "text": ["a", "b"] } """, "'text' is not a key in which SAEs of a sweep may differ")]
    [InlineData(""" "grid": { "l1_coefficient": 1 } """, "grid.l1_coefficient is 1; expected a list of values")]
    [InlineData(""" "grid": { "l1_coefficient": [0.1, "many"] } """, "sae.l1_coefficient is \"many\"; expected a number")]
    [InlineData(""" "grid": { "l1_coefficient": [0.1, -1] } """, "l1_coefficient--1: The training options are wrong: l1_coefficient is -1")]
    [InlineData(""" "grid": { "seed": [3, 3] } """, "names the SAE 'seed-3' 2 times")]
    [InlineData(""" "runs": [ {} ] """, "an SAE of runs sets nothing")]
    [InlineData(""" "runs": { "seed": 1 } """, "expected a list of objects")]
    [InlineData(""" "sea": {}, "grid": { "seed": [3] } """, "'sea' is not a key here. Did you mean 'sae'?")]
    public void What_is_wrong_with_a_sweep_is_said_before_anything_begins(string what, string says)
    {
        Write(what);
        Assert.Contains(says, Fail(2, "train", sweep), StringComparison.Ordinal);
        Assert.False(Directory.Exists(output));
    }

    [Fact]
    public void A_file_that_names_no_sweep_is_one_SAE_as_if_it_were_typed()
    {
        Write("");
        Assert.Equal(2560, Json("train", sweep, "--json").GetProperty("tokens_seen").GetInt64());
        Assert.True(File.Exists(Path.Combine(output, "sae", "cfg.json")));
        Assert.Contains("was begun with other options: sae.learning_rate was 0.0001, is now 0.5", Fail(1, "train", "--config", sweep, "--learning-rate", "0.5"), StringComparison.Ordinal);
        File.WriteAllText(sweep, """{ "model": "assets/demo" }""");
        Assert.Contains("--text must be given", Fail(2, "train", sweep), StringComparison.Ordinal);
    }

    [Fact]
    public void A_plan_says_memory_disk_and_time_and_does_nothing()
    {
        Write(Two);
        foreach (string[] command in (string[][])[["train", sweep], One, ["harvest", "--model", model, "--text", text, "--out", output, "--sequence-length", "32"]])
        {
            var plan = Json([.. command, "--plan", "--json"]);
            Assert.True(plan.GetProperty("memory_bytes").GetInt64() > 10_000);
            Assert.True(plan.GetProperty("disk_bytes").GetInt64() > 10_000);
            Assert.True(plan.GetProperty("tokens").GetInt64() >= 2560);
            Assert.True(plan.GetProperty("seconds").GetDouble() >= 0);
            Assert.False(Directory.Exists(output));
        }
        Assert.Contains("memory in all", Invoke(CancellationToken.None, "train", sweep, "--plan").Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Too_little_memory_or_disk_is_said_before_anything_begins()
    {
        Assert.Matches("Training takes about .* TB of memory \\(embedding .*, layers 0 to 1 .*, text .*, activation buffer .*, SAE weights .* GB, .* TB\\), .* are free; nothing was begun",
            Fail(1, [.. One, "--d-sae", "1000000000"]));
        Assert.Empty(Directory.GetFiles(output, "*.safetensors"));
    }

    private string[] One => ["train", "--model", model, "--text", text, "--out", output, "--training-tokens", "2560", "--batch-tokens", "128", "--sequence-length", "32"];

    private void Write(string what) => File.WriteAllText(sweep, JsonSerializer.Serialize(new
    {
        model,
        text,
        @out = output,
        sequence_length = 32,
        buffer = new { batch_tokens = 128, buffer_tokens = 1024 },
        sae = new { training_tokens = 2560, log_every_steps = 4, checkpoint_every_steps = 5 },
    })[..^1] + (what.Length > 0 ? "," + what : "") + "}");
}
