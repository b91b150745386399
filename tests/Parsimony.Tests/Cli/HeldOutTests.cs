using System.IO.Compression;
using System.Text.Json;
using Parsimony.Files;
using Parsimony.Text;
using Xunit;
using static Parsimony.Tests.Cli.CliRun;

namespace Parsimony.Tests.Cli;

/// <summary>A part of the training text that is held out, from training to the report.</summary>
public sealed class HeldOutTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly string model, text, run;

    public HeldOutTests()
    {
        (model, text, run) = (SomeFolder.Model(folder.File("model")), folder.File("text.jsonl.gz"), folder.File("run"));
        using var zip = new StreamWriter(new GZipStream(File.Create(text), CompressionLevel.Fastest));
        foreach (string document in Documents) zip.Write(Line(document));
    }

    private static IEnumerable<string> Documents => Enumerable.Range(0, 200).Select(i => $"The {i}th hen laid {i * 7 % 13} eggs.\n");

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Training_sees_the_one_side_only_and_evaluate_without_a_text_the_other()
    {
        string trainingSide = Side(TextSide.Training), heldOutSide = Side(TextSide.HeldOut), reference = folder.File("reference");
        Json([.. Train(run), "--held-out-fraction", "0.2"]);
        Json([.. Train(reference, trainingSide)]);
        Assert.Equal(Sha(reference), Sha(run));

        var report = Json(Evaluate(run));
        var named = Json([.. Evaluate(reference), "--text", heldOutSide]);
        int documents = File.ReadLines(heldOutSide).Count();
        Assert.Equal($"held-out 20 % of text.jsonl.gz, {documents} documents", report.GetProperty("evaluated_text").GetString());
        Assert.Equal("held_out.jsonl", named.GetProperty("evaluated_text").GetString());
        Assert.True(report.GetProperty("held_out").GetBoolean());
        foreach (string figure in (string[])["evaluated_tokens", "ce_clean", "ce_spliced", "explained_variance"])
            Assert.Equal(named.GetProperty(figure).GetDouble(), report.GetProperty(figure).GetDouble());
        Assert.Contains($"held-out 20 % of text.jsonl.gz, {documents} documents, ", Invoke(CancellationToken.None, [.. Evaluate(run)[..^1]]).Output, StringComparison.Ordinal);
        Assert.False(Json([.. Evaluate(run), "--text", text]).GetProperty("held_out").GetBoolean());
    }

    [Fact]
    public void Another_fraction_no_fraction_and_a_text_that_leaves_a_side_empty_are_refused()
    {
        Json([.. Train(run), "--held-out-fraction", "0.2"]);
        Assert.Contains("was begun with other options: held_out_fraction was 0.2, is now 0.1", Fail(1, [.. Train(run), "--held-out-fraction", "0.1"]), StringComparison.Ordinal);
        Assert.Contains("held_out_fraction was 0.2, is now 0", Fail(1, Train(run)), StringComparison.Ordinal);
        Assert.Contains("--held-out-fraction is 1; it must be 0 or more and below 1", Fail(2, [.. Train(run), "--held-out-fraction", "1"]), StringComparison.Ordinal);

        string plain = folder.File("plain"), one = folder.File("one.txt");
        Json(Train(plain));
        string config = Path.Combine(plain, "config.json"), begun = File.ReadAllText(config);
        Assert.Contains("\"held_out_fraction\": 0,", begun, StringComparison.Ordinal);
        File.WriteAllText(config, begun.Replace("\"held_out_fraction\": 0,", "", StringComparison.Ordinal)); // a run from before there was the option goes on
        Json(Train(plain));
        Assert.Contains("was trained on all of its text, without --held-out-fraction", Fail(2, Evaluate(plain)), StringComparison.Ordinal);
        Assert.Contains("--text must be given", Fail(2, [.. Evaluate(SomeFolder.Sae(folder.File("sae"), model)), "--model", model]), StringComparison.Ordinal);

        File.WriteAllText(one, string.Concat(Documents));
        foreach (string fraction in (string[])["0.001", "0.999"])
        {
            string error = Fail(1, [.. Train(folder.File("new"), one), "--held-out-fraction", fraction]);
            Assert.Contains($"side of '{one}' ({(fraction == "0.001" ? "0.1" : "99.9")} % of its documents are to be held out) has 0 documents of 0 tokens", error, StringComparison.Ordinal);
            Assert.Contains(fraction == "0.001" ? "The held-out side" : "The training side", error, StringComparison.Ordinal);
        }
        Assert.False(Directory.Exists(folder.File("new")));
    }

    [Fact]
    public void A_cache_knows_what_was_held_out_of_it()
    {
        string cache = folder.File("cache"), fromText = folder.File("from-text");
        string[] harvest = ["harvest", "--model", model, "--text", text, "--hook", "blocks.1.mlp_out", "--out", cache, "--sequence-length", "32", "--precision", "fp32", "--json"];
        Json([.. harvest, "--held-out-fraction", "0.2"]);
        Assert.Contains("holds another cache: held_out_fraction was 0.2, is now 0.3", Fail(1, [.. harvest, "--held-out-fraction", "0.3"]), StringComparison.Ordinal);
        Assert.Contains("--held-out-fraction is -1", Fail(2, [.. harvest, "--held-out-fraction", "-1"]), StringComparison.Ordinal);
        string[] train = ["train", "--cache", cache, "--model", model, .. Options(run)];
        Assert.Contains($"held_out_fraction is 0.3, but '{cache}' was harvested with 0.2", Fail(null, [.. train, "--held-out-fraction", "0.3"]), StringComparison.Ordinal);
        Json(train);
        Json([.. train, "--held-out-fraction", "0.2"]); // the same run
        Json([.. Train(fromText), "--held-out-fraction", "0.2"]);
        Assert.Equal(Sha(fromText), Sha(run));
        Assert.Equal(Json(Evaluate(fromText)).GetProperty("ce_spliced").GetDouble(), Json(Evaluate(run)).GetProperty("ce_spliced").GetDouble());
        Directory.Delete(cache, recursive: true);
        Assert.Contains("which is not there any more", Fail(2, Evaluate(run)), StringComparison.Ordinal);
    }

    [Fact]
    public void A_sweep_is_evaluated_on_what_it_held_out()
    {
        string sweep = folder.File("sweep.json");
        void Write(string fraction) => File.WriteAllText(sweep, $$"""
            { {{fraction}} "grid": { "seed": [0, 1] }, "evaluate": { "sequence_length": 32, "layer_sweep": false } }
            """);
        Write("");
        Assert.Contains("evaluate has no \"text\"", Fail(2, ["train", sweep, .. Train(run)[1..]]), StringComparison.Ordinal);
        Write("\"held_out_fraction\": 0.2,");
        var row = Json(["train", sweep, .. Train(run)[1..]])[0];
        Assert.StartsWith("held-out 20 % of text.jsonl.gz, ", row.GetProperty("evaluated_text").GetString(), StringComparison.Ordinal);
        Assert.True(row.GetProperty("held_out").GetBoolean());
        Assert.Equal(2, row.GetProperty("folders").GetArrayLength());
        var alone = Json(Evaluate(Path.Combine(run, "seed-1")));
        Assert.Equal(row.GetProperty("evaluated_tokens").GetInt64(), alone.GetProperty("evaluated_tokens").GetInt64());
        string table = Invoke(CancellationToken.None, Evaluate(run)[..^1]).Output;
        Assert.Contains("text: held-out 20 % of text.jsonl.gz, ", table, StringComparison.Ordinal);
        Json([.. Train(Path.Combine(run, "more")), "--held-out-fraction", "0.3"]);
        string two = Invoke(CancellationToken.None, Evaluate(run)[..^1]).Output;
        Assert.Contains("NOT on one text", two, StringComparison.Ordinal);
        Assert.Contains("more on held-out 30 % of text.jsonl.gz, ", two, StringComparison.Ordinal);
        File.WriteAllText(sweep, """{ "grid": { "held_out_fraction": [0.1, 0.2] } }""");
        Assert.Contains("'held_out_fraction' is not a key in which SAEs of a sweep may differ", Fail(2, ["train", sweep, .. Train(run)[1..]]), StringComparison.Ordinal);
    }

    /// <summary>A file of one side's documents, named by the side.</summary>
    private string Side(TextSide side)
    {
        string path = folder.File(side == TextSide.HeldOut ? "held_out.jsonl" : "training.jsonl");
        var pieces = new TextSplit(0.2, side).Of(Parsimony.Text.Documents.Read(text));
        File.WriteAllText(path, string.Concat(pieces.Select(p => Line(p.Text))));
        return path;
    }

    private static string Line(string document) => JsonSerializer.Serialize(new { text = document }) + "\n";

    private static string Sha(string run) => FileHash.Sha256(Path.Combine(run, "sae/sae_weights.safetensors"));

    private string[] Train(string output, string? from = null) => ["train", "--model", model, "--text", from ?? text, "--sequence-length", "32", .. Options(output)];

    private static string[] Options(string output) =>
        ["--out", output, "--expansion-factor", "2", "--training-tokens", "2560", "--batch-tokens", "128", "--json"];

    private static string[] Evaluate(string sae) => ["evaluate", sae, "--sequence-length", "32", "--layer-sweep", "false", "--json"];
}
