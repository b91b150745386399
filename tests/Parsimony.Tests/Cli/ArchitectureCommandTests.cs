using System.Text.Json;
using Parsimony.Autoencoders;
using Parsimony.Cli;
using Xunit;
using static Parsimony.Tests.Cli.CliRun;

namespace Parsimony.Tests.Cli;

/// <summary><c>parsimony train --architecture ...</c> and what becomes of its SAE, on a tiny model.</summary>
public sealed class ArchitectureCommandTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("parsimony-test-").FullName;
    private readonly string model, text, run;

    public ArchitectureCommandTests()
    {
        model = SomeFolder.Model(Path.Combine(folder, "model"));
        text = Path.Combine(folder, "text.txt");
        run = Path.Combine(folder, "run");
        File.WriteAllText(text, string.Concat(Enumerable.Range(0, 200).Select(i => $"The {i}th hen laid {i * 7 % 13} eggs.\n")));
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("standard", "standard", "--decoder-constraint", "free")]
    [InlineData("topk", "topk", "--k", "8")]
    [InlineData("topk", "jumprelu", "--k", "8", "--save-as-jumprelu")]
    [InlineData("batchtopk", "jumprelu", "--k", "8")]
    [InlineData("matryoshka-batchtopk", "jumprelu", "--k", "8", "--group-fractions", "0.25", "0.75")]
    [InlineData("jumprelu", "jumprelu", "--target-l0", "8", "--bandwidth", "0.05")]
    [InlineData("gated", "gated", "--activation-scaling", "mean-norm")]
    [InlineData("transcoder", "skip_transcoder", "--skip-connection")]
    public void An_SAE_of_any_architecture_is_trained_saved_and_measured(string architecture, string saved, params string[] more)
    {
        var trained = Json([.. Train(), "--architecture", architecture, .. more]);
        Assert.Equal("blocks.1.mlp_out", trained.GetProperty("hook").GetString());
        var (sae, metadata) = SaeFolder.Load(Path.Combine(run, "sae"));
        using var _ = sae;
        Assert.Equal(saved, sae.Architecture);
        Assert.Equal(architecture == "transcoder" ? "blocks.1.mlp_in to blocks.1.mlp_out" : "blocks.1.mlp_out to ", $"{metadata.Hook} to {metadata.HookOut}");
        Assert.Equal(architecture is "standard" or "gated" or "transcoder", metadata.L1Coefficient is not null);
        Assert.StartsWith("mean over tokens of [ ", metadata.LossConvention, StringComparison.Ordinal);

        var measured = Json("evaluate", run, "--text", text, "--sequence-length", "32", "--max-contexts", "8", "--json");
        Assert.True(measured.GetProperty("explained_variance").GetDouble() > 0.3, measured.GetProperty("explained_variance").ToString());
        Assert.InRange(measured.GetProperty("ce_spliced").GetDouble(), 0, 2 * measured.GetProperty("ce_clean").GetDouble());
    }

    [Fact]
    public void What_an_architecture_needs_is_asked_for_by_name()
    {
        Assert.Contains("k is null; allowed: 1 or more, required for this architecture", Fail(null, [.. Train(), "--architecture", "topk"]), StringComparison.Ordinal);
        Assert.Contains("k is 99; allowed: 1 to d_sae", Fail(null, [.. Train(), "--architecture", "batchtopk", "--k", "99"]), StringComparison.Ordinal);
        Assert.Contains("it is a transcoder's only", Fail(null, [.. Train(), "--input-hook", "blocks.0.mlp_in"]), StringComparison.Ordinal);
    }

    private string[] Train() =>
    [
        "train", "--model", model, "--text", text, "--out", run, "--hook", "blocks.1.mlp_out", "--sequence-length", "32", "--batch-tokens", "128",
        "--buffer-tokens", "1024", "--d-sae", "64", "--learning-rate", "0.01", "--training-tokens", "12800", "--sample-tokens", "512", "--json",
    ];
}
