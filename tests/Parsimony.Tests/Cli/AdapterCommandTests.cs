using Xunit;
using static Parsimony.Tests.Cli.CliRun;

namespace Parsimony.Tests.Cli;

/// <summary><c>parsimony adapter</c> and <c>generate --adapter</c> on a tiny model.</summary>
public sealed class AdapterCommandTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("parsimony-test-").FullName;
    private readonly string run, text;

    public AdapterCommandTests()
    {
        string model = SomeFolder.Model(Path.Combine(folder, "model"));
        (text, run) = (Path.Combine(folder, "text.txt"), Path.Combine(folder, "run"));
        File.WriteAllText(text, string.Concat(Enumerable.Range(0, 200).Select(i => $"The {i}th hen laid {i * 7 % 13} eggs.\n")));
        Json("train", "--model", model, "--text", text, "--out", run, "--sequence-length", "32", "--expansion-factor", "4",
            "--training-tokens", "2048", "--batch-tokens", "128", "--learning-rate", "1e-3", "--json");
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private string Learn(string name, params string[] more)
    {
        string to = Path.Combine(folder, name);
        Json(["finetune", run, "--data", text, "--steps", "20", "--learning-rate", "0.1", "--sequence-length", "16", "--null-run", "false", "--out", to, "--json", .. more]);
        return Path.Combine(to, "adapter");
    }

    private static string Written(string adapter, params string[] more) => Json(["generate", "The hen", "--adapter", adapter, "--temperature", "0", "--max-new-tokens", "12", "--json", .. more])
        .GetProperty("continuations")[0].GetProperty("text").GetString()!;

    [Fact]
    public void Compiled_it_needs_no_sae_and_writes_the_same()
    {
        string adapter = Learn("delta", "--group-lasso", "0.6"), compiled = Path.Combine(folder, "compiled");
        var status = Json("adapter", "status", adapter, "--json");
        long changed = status.GetProperty("status").GetProperty("latents_changed").GetInt64();
        Assert.InRange(changed, 1, 63);
        Assert.StartsWith("trainable params: 128 || all params: ", status.GetProperty("parameters").GetString(), StringComparison.Ordinal);
        Json("adapter", "compile", adapter, "--out", compiled, "--json");
        string before = Written(adapter);
        Directory.Delete(Path.Combine(run, "sae"), recursive: true);                        // it is not needed any more
        Assert.Equal(before, Written(compiled, "--model", Path.Combine(folder, "model")));
        Assert.Contains("which is not there any more. Say where it is with --sae", Fail(null, "generate", "The hen", "--adapter", adapter), StringComparison.Ordinal);
    }

    [Fact]
    public void Merged_it_is_an_ordinary_sae_that_writes_the_same()
    {
        string adapter = Learn("replace", "--mode", "replace"), merged = Path.Combine(folder, "merged");
        Json("adapter", "merge", adapter, "--out", merged, "--json");
        string written = Json("generate", "The hen", "--sae", merged, "--model", Path.Combine(folder, "model"), "--temperature", "0", "--max-new-tokens", "12", "--json")
            .GetProperty("continuations")[0].GetProperty("text").GetString()!;
        Assert.Equal(Written(adapter), written);
        Assert.Contains("of what the dials change", Fail(1, "adapter", "merge", adapter, "--storage", "bf16", "--out", merged), StringComparison.Ordinal);
        Assert.Contains("needs the whole SAE. Merge them instead", Fail(1, "adapter", "compile", adapter), StringComparison.Ordinal);
        Assert.Contains("Compile them instead", Fail(1, "adapter", "merge", Learn("delta2")), StringComparison.Ordinal);
    }

    [Fact]
    public void Combined_with_its_opposite_it_is_at_rest_and_both_sides_are_compared()
    {
        string adapter = Learn("one"), nothing = Path.Combine(folder, "nothing");
        Json("adapter", "combine", adapter, adapter + Path.DirectorySeparatorChar, "--weights", "1", "-1", "--out", nothing, "--json");
        var pair = Json("generate", "The hen", "--adapter", nothing, "--compare", "--temperature", "0", "--max-new-tokens", "12", "--json").GetProperty("continuations")[0];
        Assert.Equal(pair.GetProperty("before").GetString(), pair.GetProperty("text").GetString());
        var moved = Json("generate", "The hen", "--adapter", adapter, "--compare", "--temperature", "0", "--max-new-tokens", "12", "--json").GetProperty("continuations")[0];
        Assert.NotEqual(moved.GetProperty("before").GetString(), moved.GetProperty("text").GetString());
        Assert.Contains("--compare needs an adapter", Fail(2, "generate", "The hen", "--model", Path.Combine(folder, "model"), "--compare"), StringComparison.Ordinal);
        Assert.Contains("allowed: one, or several to combine", Fail(2, "adapter", "status", adapter, adapter), StringComparison.Ordinal);
    }
}
