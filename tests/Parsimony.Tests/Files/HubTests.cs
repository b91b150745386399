using Parsimony.Files.Hub;
using Xunit;

namespace Parsimony.Tests.Files;

public sealed class HubTests : IDisposable
{
    private static readonly HubName Name = new(HubKind.Model, "owner/name");
    private readonly TemporaryFolder folder = new();
    private readonly FakeHub hub = new();
    private readonly HubSettings settings;

    public HubTests()
    {
        settings = new()
        {
            Endpoint = hub.Endpoint,
            Cache = folder.Path,
            RangeBytes = 1000,
            Connections = 3,
            Tries = 3,
            FirstWait = TimeSpan.FromMilliseconds(1),
            Patience = TimeSpan.FromSeconds(20),
        };
        hub.Files["config.json"] = "{}"u8.ToArray();
        hub.Files["tokenizer.json"] = [.. Enumerable.Range(0, 150).Select(i => (byte)i)];
        hub.Files["model.safetensors"] = [.. Enumerable.Range(0, 9999).Select(i => (byte)(i * i % 251))];
        hub.Files["pytorch_model.bin"] = [.. Enumerable.Range(0, 500).Select(i => (byte)i)];
        hub.Files["README.md"] = "read"u8.ToArray();
    }

    public void Dispose()
    {
        hub.Dispose();
        folder.Dispose();
    }

    private Task<HubPulled> Pull(HubSettings? with = null, HubName? name = null, IProgress<HubProgress>? progress = null, CancellationToken cancellation = default) =>
        HubPull.Run(name ?? Name, with ?? settings, HubFile.OfModel, progress, cancellation);

    private void IsWhole(HubPulled pulled)
    {
        Assert.Equal(["config.json", "model.safetensors", "tokenizer.json"], Directory.GetFiles(pulled.Folder).Select(Path.GetFileName).Order());
        foreach (string file in Directory.GetFiles(pulled.Folder)) Assert.Equal(hub.Files[Path.GetFileName(file)], File.ReadAllBytes(file));
        Assert.DoesNotContain(Directory.EnumerateFiles(folder.Path, "*", SearchOption.AllDirectories), f => f.Contains(".parsimony", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_is_needed_lies_in_the_layout_of_the_Python_tools()
    {
        var pulled = await Pull();
        IsWhole(pulled);
        string repository = folder.File("models--owner--name");
        Assert.Equal(Path.Combine(repository, "snapshots", FakeHub.Commit), pulled.Folder);
        Assert.Equal(FakeHub.Commit, File.ReadAllText(Path.Combine(repository, "refs", "main")));
        string hash = hub.Hash(hub.Files["model.safetensors"]);
        Assert.Equal(Path.Combine("..", "..", "blobs", hash), new FileInfo(Path.Combine(pulled.Folder, "model.safetensors")).LinkTarget);
        Assert.Equal((3, 2 + 150 + 9999, 2 + 150 + 9999), (pulled.Files, pulled.Bytes, pulled.FetchedBytes));
        Assert.Equal(10, hub.Requests.Count(r => r.Path == "/cdn/model.safetensors"));

        int before = hub.Requests.Count;
        Assert.Equal(0, (await Pull()).FetchedBytes);
        Assert.Equal(before + 1, hub.Requests.Count); // the listing alone
        Assert.Equal("owner/name", HubCache.NameOf(pulled.Folder));
    }

    [Fact]
    public async Task The_token_goes_to_the_hub_and_not_where_it_redirects_to()
    {
        hub.Instead.Enqueue(response => FakeHub.Redirect(response, "/api/models/owner/name/revision/main?moved"));
        await Pull(settings with { Token = "secret" });
        Assert.All(hub.Requests, r => Assert.Equal(r.Host == "localhost" ? null : "Bearer secret", r.Authorization));
        Assert.Contains(hub.Requests, r => r.Host == "localhost");
    }

    [Fact]
    public async Task Bodies_that_break_off_and_a_busy_hub_are_tried_again_from_where_they_stopped()
    {
        hub.Instead.Enqueue(response =>
        {
            response.Headers["Retry-After"] = "0";
            FakeHub.Refuse(response, 429);
        });
        hub.Instead.Enqueue(response => FakeHub.Refuse(response, 503));
        hub.Truncated = 2;
        IsWhole(await Pull());

        Directory.Delete(folder.File("models--owner--name"), recursive: true);
        for (int i = 0; i < 3; i++) hub.Instead.Enqueue(response => FakeHub.Refuse(response, 500));
        var error = await Assert.ThrowsAsync<IOException>(() => Pull());
        Assert.Equal("the listing of 'owner/name' was tried 3 times: the hub answers 500. What is there of it is kept; the same command goes on.", error.Message);
    }

    [Fact]
    public async Task A_retry_waits_as_long_as_the_hub_says()
    {
        hub.Instead.Enqueue(response =>
        {
            response.Headers["Retry-After"] = "1";
            FakeHub.Refuse(response, 429);
        });
        var clock = System.Diagnostics.Stopwatch.StartNew();
        await Pull();
        Assert.InRange(clock.Elapsed.TotalSeconds, 0.99, 30);
    }

    [Fact]
    public async Task A_server_without_ranges_gives_whole_files()
    {
        hub.KnowsRanges = false;
        hub.Truncated = 1;
        IsWhole(await Pull());
    }

    [Fact]
    public async Task An_interrupted_pull_goes_on_after_the_ranges_that_have_arrived()
    {
        for (int stop = 2; stop < 9; stop += 3)
        {
            if (Directory.Exists(folder.File("models--owner--name"))) Directory.Delete(folder.File("models--owner--name"), recursive: true);
            using var source = new CancellationTokenSource();
            int last = stop, count = 0;
            hub.BeforeBody = _ =>
            {
                if (Interlocked.Increment(ref count) == last) source.Cancel();
            };
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Pull(cancellation: source.Token));
            Assert.Null(HubCache.Find(Name, settings));
            hub.BeforeBody = null;
            var seen = new List<HubProgress>();
            IsWhole(await Pull(progress: new Seen(seen)));
            Assert.Equal((10151, 10151), (seen[^1].Bytes, seen[^1].Total));
        }
    }

    [Fact]
    public async Task A_file_of_another_content_is_deleted_and_named()
    {
        hub.LiesAboutHashes = true;
        var error = await Assert.ThrowsAsync<InvalidDataException>(() => Pull());
        Assert.Matches("^'config.json' of 'owner/name' came with another content than its hash [0-9a-f]{12}... says, and was deleted. Pull again.$", error.Message);
        Assert.Empty(Directory.GetFiles(Path.Combine(folder.File("models--owner--name"), "blobs")));
        hub.LiesAboutHashes = false;
        IsWhole(await Pull());
    }

    [Fact]
    public async Task A_silent_server_is_given_up()
    {
        hub.BeforeBody = _ => Thread.Sleep(400);
        var error = await Assert.ThrowsAsync<IOException>(() => Pull(settings with { Patience = TimeSpan.FromMilliseconds(50), Tries = 2 }));
        Assert.Contains("the server was silent for 0 s", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refusals_say_what_to_do()
    {
        var missing = Name with { Id = "owner/other" };
        Assert.Contains("set HF_TOKEN", (await Assert.ThrowsAsync<UnauthorizedAccessException>(() => Pull(name: missing))).Message, StringComparison.Ordinal);
        Assert.Contains("has no 'owner/other' (404). Look at its spelling", (await Assert.ThrowsAsync<FileNotFoundException>(() => Pull(settings with { Token = "t" }, missing))).Message, StringComparison.Ordinal);
        Assert.Equal("'owner/name' has no revision 'v9'. Name a branch, a tag or a commit that it has.",
            (await Assert.ThrowsAsync<InvalidDataException>(() => Pull(name: Name with { Revision = "v9" }))).Message);
        Assert.Contains("HF_HUB_OFFLINE is set", (await Assert.ThrowsAsync<IOException>(() => Pull(settings with { Offline = true }))).Message, StringComparison.Ordinal);
        hub.Files["../../evil"] = "evil"u8.ToArray();
        Assert.Contains("outside its folder", (await Assert.ThrowsAsync<InvalidDataException>(() => Pull())).Message, StringComparison.Ordinal);
        hub.Files.Clear();
        hub.Files["README.md"] = "read"u8.ToArray();
        Assert.Contains("has no file that is needed (it has: README.md)", (await Assert.ThrowsAsync<FileNotFoundException>(() => Pull())).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("owner/name", "owner/name", "main")]
    [InlineData("owner/na.me@refs/pr/1", "owner/na.me", "refs/pr/1")]
    [InlineData("gpt2", "gpt2", "main")]
    [InlineData("a/b/c", null, null)]
    [InlineData("../name", null, null)]
    [InlineData("a--b/c", null, null)]
    [InlineData("runs/../x", null, null)]
    public void Names_are_told_from_paths(string text, string? id, string? revision)
    {
        var name = HubName.ParseOrNull(text, HubKind.Model);
        Assert.Equal((id, revision), (name?.Id, name?.Revision));
    }

    [Fact]
    public void Weights_are_fetched_once()
    {
        static IEnumerable<string> Chosen(params string[] names) => HubFile.OfModel([.. names.Select(n => new HubFile(n, 1, new string('a', 40)))]).Select(f => f.Path);
        Assert.Equal(["config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"],
            Chosen("config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json", "model.fp16.safetensors", "pytorch_model.bin", "onnx/model.onnx"));
        Assert.Equal(["config.json", "merges.txt", "pytorch_model.bin"], Chosen("config.json", "merges.txt", "pytorch_model.bin", "flax_model.msgpack", "tf_model.h5"));
        Assert.Equal(["layer_1/cfg.json", "layer_1/sae_weights.safetensors"], Chosen("README.md", "layer_1/cfg.json", "layer_1/sae_weights.safetensors"));
    }

    private sealed class Seen(List<HubProgress> list) : IProgress<HubProgress>
    {
        public void Report(HubProgress value) => list.Add(value);
    }
}
