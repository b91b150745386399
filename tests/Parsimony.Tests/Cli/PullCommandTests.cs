using Parsimony.Tests.Files;
using Xunit;
using static Parsimony.Tests.Cli.CliRun;

namespace Parsimony.Tests.Cli;

public sealed class PullCommandTests : IDisposable
{
    private static readonly string[] Variables = ["HF_ENDPOINT", "HF_HUB_CACHE", "HF_TOKEN", "HF_HUB_OFFLINE"];
    private readonly string?[] before = [.. Variables.Select(Environment.GetEnvironmentVariable)];
    private readonly TemporaryFolder folder = new();
    private readonly FakeHub hub = new();

    public PullCommandTests()
    {
        foreach (var (variable, value) in Variables.Zip(new string?[] { hub.Endpoint, folder.File("hub"), null, null })) Environment.SetEnvironmentVariable(variable, value);
    }

    public void Dispose()
    {
        foreach (var (variable, value) in Variables.Zip(before)) Environment.SetEnvironmentVariable(variable, value);
        hub.Dispose();
        folder.Dispose();
    }

    [Fact]
    public void A_pulled_model_and_data_set_are_used_by_their_names()
    {
        string source = SomeFolder.Model(folder.File("model"));
        string[] train = ["train", "--model", "owner/name", "--text", "owner/name", "--out", folder.File("run"), "--sequence-length", "32", "--batch-tokens", "64",
            "--buffer-tokens", "256", "--training-tokens", "640", "--expansion-factor", "1", "--json"];
        Assert.Contains("'owner/name' is neither a file or folder here nor a model in", Fail(1, train), StringComparison.Ordinal);
        Assert.EndsWith("To fetch it from the hub: parsimony pull owner/name", Fail(1, train).TrimEnd(), StringComparison.Ordinal);

        foreach (string file in Directory.GetFiles(source)) hub.Files[Path.GetFileName(file)] = File.ReadAllBytes(file);
        var pulled = Json("pull", "owner/name", "--json");
        Assert.Equal(FakeHub.Commit, pulled.GetProperty("commit").GetString());
        Assert.EndsWith("To fetch it from the hub: parsimony pull owner/name --dataset", Fail(1, train).TrimEnd(), StringComparison.Ordinal);

        hub.Files.Clear();
        hub.Files["data/train-0.jsonl"] = [.. Enumerable.Range(0, 40).SelectMany(i => System.Text.Encoding.UTF8.GetBytes($"{{\"text\": \"The {i}th hen laid {i} eggs.\"}}\n"))];
        hub.Files["data/test-0.jsonl"] = "{\"text\": \"x\"}\n"u8.ToArray();
        hub.Files["README.md"] = "no text"u8.ToArray();
        Assert.Equal(1, Json("pull", "owner/name@main", "--dataset", "--include", "data/train-*", "--json").GetProperty("files").GetInt32());
        Assert.Equal("owner/name", Json(train).GetProperty("model_name").GetString());
        Assert.Equal(2, Json("pull", "owner/name", "--dataset", "--json").GetProperty("files").GetInt32());
    }

    [Fact]
    public void What_is_no_name_is_wrong_usage() =>
        Assert.Contains("'a/b/c' is not a name of the hub. Write owner/name", Fail(2, "pull", "a/b/c"), StringComparison.Ordinal);
}
