using Parsimony.Cli;
using Parsimony.Cli.Commands;
using Parsimony.Exploration.Index;
using Parsimony.Reporting;
using Xunit;
using static Parsimony.Tests.Cli.CliRun;

namespace Parsimony.Tests.Cli;

/// <summary><c>index</c> and <c>show feature</c> on a tiny run whose tokenizer has a token for each byte.</summary>
public sealed class IndexCommandTests : IDisposable
{
    private readonly SomeRun some = new();
    private readonly string model, text, run;

    public IndexCommandTests() => (model, text, run) = (some.Model, some.Text, some.Folder);

    public void Dispose() => some.Dispose();

    [Fact]
    public void An_index_is_made_once_and_its_cards_are_shown_in_whole_characters()
    {
        var made = Json("index", run, "--max-tokens", "2048", "--measured-latents", "5", "--json");
        Assert.Equal((48, 2048), (made.GetProperty("d_sae").GetInt32(), made.GetProperty("tokens").GetInt64()));
        Assert.InRange(made.GetProperty("measured").GetInt32(), 1, 5);
        byte[] file = File.ReadAllBytes(Path.Combine(run, "index", "features.bin"));
        var (code, output, error) = Invoke(CancellationToken.None, "index", run, "--max-tokens", "2048", "--measured-latents", "5");
        Assert.Equal(0, code);
        Assert.Contains("already", error, StringComparison.Ordinal);
        Assert.Contains("bytes a latent", output, StringComparison.Ordinal);
        Assert.Equal(file, File.ReadAllBytes(Path.Combine(run, "index", "features.bin")));

        using var index = FeatureIndex.Open(Path.Combine(run, "index"));
        int latent = index.Ranked(IndexColumn.Effect)[0];
        var card = Json("show", "feature", $"{latent}", "--run", run, "--scale", "1.5", "--shift", "-0.1", "--json");
        Assert.Equal(index.Fired[latent], card.GetProperty("fired").GetUInt32());
        Assert.Equal(index.Histogram(latent).Density(1.5, -0.1).Value, card.GetProperty("predicted").GetProperty("density").GetDouble(), 1e-12);
        foreach (string part in (string[])["top_contexts", "intervals", "promoted", "suppressed", "raised", "lowered", "similar", "coactive"]) Assert.NotEqual(0, card.GetProperty(part).GetArrayLength());
        string written = File.ReadAllText(text);
        var pieces = card.GetProperty("top_contexts")[0].GetProperty("shaded").GetProperty("text").EnumerateArray().Select(p => p.GetString()!).ToList();
        Assert.DoesNotContain(pieces, piece => piece.Contains('\ufffd', StringComparison.Ordinal));
        Assert.Contains(string.Concat(pieces.Where(piece => !piece.StartsWith("\\x", StringComparison.Ordinal))), written, StringComparison.Ordinal); // but for characters cut by the window's ends

        var (_, shown, _) = Invoke(CancellationToken.None, "show", "feature", $"{latent}", "--run", run, "--shift", "0.2");
        foreach (string words in (string[])[$"latent {latent} at blocks.1.mlp_out", "with c = 1, d = 0.2: fires on", "strongest contexts", "of its firings", "raises", "direct logits", "decoder rows most alike", "fires together with"])
            Assert.Contains(words, shown, StringComparison.Ordinal);
        Assert.Contains("\u2588", shown, StringComparison.Ordinal); // the histogram
        Assert.Contains("[[", shown, StringComparison.Ordinal);     // the peak, without colours
    }

    [Fact]
    public void An_interrupted_index_says_so_and_goes_on()
    {
        using var stop = new CancellationTokenSource();
        stop.Cancel();
        var (code, _, error) = Invoke(stop.Token, "index", run, "--max-tokens", "1024");
        Assert.Equal(App.InterruptedCode, code);
        Assert.Contains("the same command goes on from it", error, StringComparison.Ordinal);
        Assert.Contains("half made", Fail(1, "show", "feature", "0", "--run", run), StringComparison.Ordinal);
        Json("index", run, "--max-tokens", "1024", "--json");
        Json("show", "feature", "0", "--run", run, "--json");
    }

    [Fact]
    public void Bad_input_is_refused_in_a_sentence()
    {
        Assert.Contains("is not a run folder", Fail(1, "show", "feature", "0", "--run", some.File("nothing")), StringComparison.Ordinal);
        Assert.Contains("holds no feature index", Fail(1, "show", "feature", "0", "--run", run), StringComparison.Ordinal);
        Json("index", run, "--max-tokens", "1024", "--measured-latents", "0", "--json");
        Assert.Contains("latents 0 to 47", Fail(2, "show", "feature", "48", "--run", run), StringComparison.Ordinal);
        Assert.Contains("top_contexts is 0", Fail(null, "index", run, "--top-contexts", "0"), StringComparison.Ordinal);
        Assert.Contains("one context (32)", Fail(2, "index", run, "--max-tokens", "5"), StringComparison.Ordinal);
        string other = some.File("other");
        Json("train", "--model", model, "--text", text, "--out", other, "--sequence-length", "32", "--d-sae", "48", "--training-tokens", "1024", "--batch-tokens", "128", "--seed", "9", "--json");
        string copy = Directory.CreateDirectory(Path.Combine(other, "index")).FullName;
        foreach (string file in Directory.GetFiles(Path.Combine(run, "index"))) File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        Assert.Contains("index of another SAE", Fail(1, "show", "feature", "0", "--run", other), StringComparison.Ordinal);
    }

    [Fact]
    public void An_SAE_of_a_folder_of_its_own_gets_its_index_where_it_is_told()
    {
        string sae = Path.Combine(run, "sae"), to = some.File("elsewhere");
        Assert.Contains("--out", Fail(2, "index", sae, "--model", model, "--text", text), StringComparison.Ordinal);
        Json("index", sae, "--model", model, "--text", text, "--out", to, "--max-tokens", "1024", "--measured-latents", "0", "--json");
        Json("show", "feature", "3", "--run", to, "--json");
    }

    [Fact]
    public void Shading_marks_pieces_by_brackets_or_by_colours_and_shows_what_cannot_be_seen()
    {
        var text = new ShadedText { Text = ["a", " word", "\n", "\u202e", "end"], Activations = [0, 1, 4, 2, 0], Peak = 2 };
        Assert.Equal("a [word][[\u21b5]][<U+202E>]end", FeatureCardText.Shaded(text, 4, colour: false));
        Assert.Equal("a \e[38;5;16;48;5;216mword\e[0m\e[38;5;16;48;5;202;4m\u21b5\e[0m\e[38;5;16;48;5;215m<U+202E>\e[0mend", FeatureCardText.Shaded(text, 4, colour: true));
    }
}
