using System.Text.Json;
using Xunit;
using static Parsimony.Tests.Cli.CliRun;

namespace Parsimony.Tests.Cli;

/// <summary><c>parsimony dpo</c> on a tiny model.</summary>
public sealed class DpoCommandTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("parsimony-test-").FullName;
    private readonly string model, run, text, pairs;

    public DpoCommandTests()
    {
        model = SomeFolder.Model(Path.Combine(folder, "model"));
        (text, pairs, run) = (Path.Combine(folder, "text.txt"), Path.Combine(folder, "pairs.jsonl"), Path.Combine(folder, "run"));
        File.WriteAllText(text, string.Concat(Enumerable.Range(0, 200).Select(i => $"The {i}th hen laid {i * 7 % 13} eggs.\n")));
        File.WriteAllLines(pairs, Enumerable.Range(0, 20).Select(i => JsonSerializer.Serialize(new { prompt = $"The {i}th hen", chosen = " laid eggs", rejected = i % 7 == 0 ? " laid eggs" : " SLEPT" })));
        Json("train", "--model", model, "--text", text, "--out", run, "--sequence-length", "32", "--expansion-factor", "4",
            "--training-tokens", "2048", "--batch-tokens", "128", "--learning-rate", "1e-3", "--json");
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private string[] Dpo(params string[] more) => ["dpo", run, "--data", pairs, "--steps", "6", "--batch-size", "4", "--learning-rate", "0.02", "--json", .. more];

    [Fact]
    public void Pairs_become_an_adapter_and_a_part_of_the_report()
    {
        var told = Invoke(CancellationToken.None, Dpo());
        Assert.Equal(0, told.Code);
        Assert.Contains("Of 20 preference pairs: 3 left out without a difference.", told.Error, StringComparison.Ordinal);
        var r = JsonDocument.Parse(told.Output).RootElement.GetProperty("dpo");
        Assert.Equal(("sigmoid", 15, 2), (r.GetProperty("loss").GetString(), r.GetProperty("pairs").GetInt32(), r.GetProperty("held_out_pairs").GetInt32()));
        Assert.Equal(Math.Log(2), r.GetProperty("before").GetProperty("loss").GetDouble(), 1e-6);
        Assert.True(r.GetProperty("after").GetProperty("margin").GetDouble() > r.GetProperty("null_after").GetProperty("margin").GetDouble());
        Json("generate", "The hen", "--sae", run, "--adapter", Path.Combine(run, "dpo", "adapter"), "--max-new-tokens", "4", "--json");
        Json(Dpo());                                                                        // finished: it is not trained again
        Assert.Contains("was begun with other options: dpo.beta was 0.1, is now 0.2", Fail(null, Dpo("--beta", "0.2")), StringComparison.Ordinal);
    }

    [Fact]
    public void Several_saes_are_learned_on_together_and_their_adapter_is_found_again()
    {
        string second = Path.Combine(folder, "second"), to = Path.Combine(folder, "both");
        Json("train", "--model", model, "--text", text, "--out", second, "--hook", "blocks.2.resid_post", "--sequence-length", "32", "--expansion-factor", "2",
            "--training-tokens", "1024", "--batch-tokens", "128", "--json");
        var r = Json("dpo", run, second, "--data", pairs, "--steps", "2", "--batch-size", "4", "--null-run", "false", "--out", to, "--json").GetProperty("dpo");
        Assert.Equal(2 * (64 + 32), r.GetProperty("trainable_parameters").GetInt32());
        Json("generate", "The hen", "--sae", run, "--adapter", Path.Combine(to, "dpo", "adapter"), "--max-new-tokens", "4", "--json");
        var tuned = Json("finetune", run, second, "--data", text, "--steps", "2", "--sequence-length", "16", "--null-run", "false", "--out", Path.Combine(folder, "sft"), "--json").GetProperty("finetune");
        Assert.Equal(["blocks.1.mlp_out", "blocks.2.resid_post"], tuned.GetProperty("hooks").EnumerateArray().Select(h => h.GetString()!));
        var inserted = tuned.GetProperty("inserted_saes").EnumerateArray().Select(i => (i.GetProperty("count").GetInt32(), i.GetProperty("replace").GetDouble(), i.GetProperty("delta").GetDouble())).ToList();
        Assert.Equal(3, inserted.Count);
        Assert.All(inserted, i => Assert.Equal(inserted[0].Item3, i.Item3));
        Assert.Contains("are both at blocks.1.mlp_out", Fail(null, "dpo", run, run, "--data", pairs), StringComparison.Ordinal);
    }
}
