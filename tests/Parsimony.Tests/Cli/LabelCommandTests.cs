using System.Diagnostics;
using System.Text.Json;
using Parsimony.Cli;
using Parsimony.Exploration.Index;
using Parsimony.Exploration.Labels;
using Parsimony.Tests.Exploration.Labels;
using Xunit;
using static Parsimony.Tests.Cli.CliRun;

namespace Parsimony.Tests.Cli;

/// <summary><c>label</c> on a tiny run.</summary>
public sealed class LabelCommandTests : IDisposable
{
    private readonly SomeRun some = new();
    private readonly string run;

    public LabelCommandTests() => run = some.Folder;

    public void Dispose() => some.Dispose();

    [Fact]
    public void All_latents_are_labelled_once_and_a_card_shows_what_was_said()
    {
        Index();
        var made = Json("label", run, "--json");
        int alive = made.GetProperty("made").GetInt32();
        Assert.Equal(48, made.GetProperty("latents").GetInt32());
        Assert.Equal(48 - alive, made.GetProperty("silent").GetInt32());
        Assert.Equal(["tokens", "pattern"], made.GetProperty("methods").EnumerateArray().Select(m => m.GetProperty("method").GetString()));
        Assert.Equal(alive, made.GetProperty("methods")[0].GetProperty("found").GetInt32());

        var again = Json("label", run, "--json");
        Assert.Equal((0, alive), (again.GetProperty("made").GetInt32(), again.GetProperty("already").GetInt32()));
        Assert.Equal(made.GetProperty("methods").GetRawText(), again.GetProperty("methods").GetRawText());
        using var index = FeatureIndex.Open(Path.Combine(run, "index"));
        int latent = index.Ranked(IndexColumn.Effect)[0];
        Assert.Equal(1, Json("label", run, "--count", "1", "--again", "--json").GetProperty("made").GetInt32());

        Json("label", run, "--set", $"{latent}=<b>\u00e9t\u00e9</b>", "--star", $"{latent}", "--json");
        var (code, shown, _) = Invoke(CancellationToken.None, "show", "feature", $"{latent}", "--run", run);
        Assert.Equal(0, code);
        Assert.Contains("label \u2605 <b>\u00e9t\u00e9</b>", shown, StringComparison.Ordinal);
        Assert.Contains("tokens: fires ", shown, StringComparison.Ordinal);
        Assert.Equal("<b>\u00e9t\u00e9</b>", Json("show", "feature", $"{latent}", "--run", run, "--json").GetProperty("labels").GetProperty("hand").GetString());
        var (_, said, _) = Invoke(CancellationToken.None, "label", run, "--latents", $"{latent}");
        Assert.Contains("0 labelled now", said, StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_that_was_killed_or_interrupted_goes_on_to_the_very_labels_of_one_that_was_not()
    {
        Index();
        Json("label", run, "--json", "--threads", "1");
        var whole = Labels();
        SqliteFilesGone();
        using (var process = Process.Start(new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? "Parsimony.Cli.exe" : "Parsimony.Cli"), ["label", run, "--threads", "1"]) { RedirectStandardError = true, RedirectStandardOutput = true })!)
        {
            while (!process.HasExited && !(File.Exists(Path.Combine(run, LabelStore.FileName)) && Tried() >= 3)) Thread.Sleep(1);
            process.Kill();
            process.WaitForExit();
        }
        Assert.InRange(Tried(), 1, whole.Count / 2 - 1);
        using (var stop = new CancellationTokenSource())
        {
            stop.Cancel();
            var (code, _, error) = Invoke(stop.Token, "label", run, "--threads", "1");
            Assert.Equal(App.InterruptedCode, code);
            Assert.Contains("the same command goes on", error, StringComparison.Ordinal);
        }
        Assert.NotEqual(0, Json("label", run, "--json", "--threads", "1").GetProperty("already").GetInt32());
        Assert.Equal(whole, Labels());
    }

    [Fact]
    public void Labels_notes_and_stars_of_ones_own_are_kept_and_taken_away()
    {
        Index();
        var said = Json("label", run, "--set", "7=a = b", "8=eight", "--note", "7=look again", "--star", "7", "9", "--json");
        Assert.Equal(0, said.GetProperty("made").GetInt32()); // none is made unless latents are named
        Assert.Equal([7, 8, 9], said.GetProperty("hand").EnumerateArray().Select(l => l.GetProperty("latent").GetInt32()));
        Assert.Equal("a = b", said.GetProperty("hand")[0].GetProperty("hand").GetString());
        var (_, output, _) = Invoke(CancellationToken.None, "label", run, "--set", "7=", "--unstar", "9");
        Assert.Contains("latent 7 \u2605: no label (look again)", output, StringComparison.Ordinal);
        Assert.Contains("latent 9: no label", output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_named_endpoint_writes_labels_too_and_one_that_is_not_named_is_never_asked()
    {
        Index();
        using var chat = new FakeChat(asked => asked.StartsWith("Label: ", StringComparison.Ordinal) ? "[1, 1, 1, 1, 1]" : "[LABEL]: French");
        Json("label", run, "--count", "2", "--json");
        Assert.Empty(chat.Requests);
        var made = Json("label", run, "--count", "2", "--endpoint", chat.Endpoint, "--endpoint-model", "m", "--json");
        Assert.Equal(2, made.GetProperty("made").GetInt32());
        Assert.Equal(2, made.GetProperty("methods")[2].GetProperty("found").GetInt32());
        int asked = chat.Requests.Count;
        Json("label", run, "--count", "2", "--endpoint", chat.Endpoint, "--endpoint-model", "m", "--json");
        Assert.Equal(asked, chat.Requests.Count); // there already
        for (int i = 0; i < 2; i++) chat.Instead.Enqueue(r => r.StatusCode = 500);
        Assert.Contains("tried 1 times: it answers 500", Fail(1, "label", run, "--count", "3", "--endpoint", chat.Endpoint, "--endpoint-model", "m", "--endpoint-tries", "1"), StringComparison.Ordinal);
        Assert.Contains("endpoint_model", Fail(2, "label", run, "--endpoint", chat.Endpoint), StringComparison.Ordinal);
    }

    [Fact]
    public void Bad_input_is_refused_in_a_sentence()
    {
        Assert.Contains("holds no feature index", Fail(1, "label", run), StringComparison.Ordinal);
        Index();
        Assert.Contains("latents 0 to 47", Fail(2, "label", run, "--latents", "48"), StringComparison.Ordinal);
        Assert.Contains("latents 0 to 47", Fail(2, "label", run, "--set", "99=x"), StringComparison.Ordinal);
        Assert.Contains("LATENT=TEXT", Fail(2, "label", run, "--set", "dogs"), StringComparison.Ordinal);
        Assert.Contains("200 at most", Fail(2, "label", run, "--set", "3=" + new string('x', 201)), StringComparison.Ordinal);
        Assert.Contains("count is 0", Fail(2, "label", run, "--count", "0"), StringComparison.Ordinal);
        Assert.Contains("silent_windows is 1", Fail(2, "label", run, "--silent-windows", "1"), StringComparison.Ordinal);
        SqliteFilesGone();
        LabelStore.Open(run, "another", 48).Dispose();
        Assert.Contains("labels of another SAE", Fail(1, "label", run, "--star", "3"), StringComparison.Ordinal);
        Assert.Contains("labels of another SAE", Fail(1, "show", "feature", "3", "--run", run), StringComparison.Ordinal);
    }

    private void Index() => Json("index", run, "--max-tokens", "2048", "--measured-latents", "5", "--json");

    private string Sha256()
    {
        using var index = FeatureIndex.Open(Path.Combine(run, "index"));
        return index.Header.SaeSha256!;
    }

    private int Tried()
    {
        using var store = LabelStore.Open(run, Sha256(), 48);
        return store.Tried(LabelMethod.Pattern).Count;
    }

    private List<string> Labels()
    {
        using var store = LabelStore.Open(run, Sha256(), 48);
        return [.. store.Get([.. Enumerable.Range(0, 48)]).SelectMany(l => l.Automatic).Select(a => JsonSerializer.Serialize(a with { Made = default }))];
    }

    private void SqliteFilesGone()
    {
        foreach (string file in Directory.GetFiles(run, LabelStore.FileName + "*")) File.Delete(file);
    }
}
