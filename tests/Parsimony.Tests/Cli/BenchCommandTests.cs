using System.Text.Json;
using Parsimony.Bench;
using Parsimony.Cli;
using Xunit;
using static Parsimony.Tests.Cli.CliRun;

namespace Parsimony.Tests.Cli;

/// <summary>The benchmarks run and say what they promise to; how fast anything is no test asks.</summary>
public sealed class BenchCommandTests
{
    [Fact]
    public void Bench_sae_gives_one_object_per_shape_and_density()
    {
        var (code, output, _) = Invoke(CancellationToken.None, "bench", "sae", "--shapes", "32x64,64x96", "--densities", "0.5,0.02", "--batch-tokens", "40", "--rounds", "1", "--json");
        Assert.Equal(0, code);
        var rows = JsonDocument.Parse(output).RootElement.EnumerateArray().ToArray();
        Assert.Equal([(32, 64, 0.5), (32, 64, 0.02), (64, 96, 0.5), (64, 96, 0.02)],
            rows.Select(r => (r.GetProperty("d_model").GetInt32(), r.GetProperty("d_sae").GetInt32(), r.GetProperty("density").GetDouble())));
        foreach (string key in (string[])["ratio_autograd", "ratio_dense", "times_limit", "tokens_per_second"])
            Assert.All(rows, row => Assert.True(row.GetProperty(key).GetDouble() > 0, key));
        Assert.All(rows, row => Assert.InRange(row.GetProperty("measured_density").GetDouble() / row.GetProperty("density").GetDouble(), 0.5, 1.5));
    }

    [Fact]
    public void Bench_gpu_gives_its_ratios_on_whatever_device_it_is_told()
    {
        var row = Assert.Single(Json("bench", "gpu", "--shapes", "32x64", "--densities", "0.05", "--batch-tokens", "64", "--steps", "16", "--rounds", "1", "--device", "cpu", "--json").EnumerateArray());
        foreach (string key in (string[])["ratio_autograd", "ratio_dense", "tokens_per_second"]) Assert.True(row.GetProperty(key).GetDouble() > 0, key);
        Assert.InRange(row.GetProperty("measured_density").GetDouble(), 0.03, 0.07);
        Assert.Contains("steps is 20; allowed: multiples of 16", Fail(null, "bench", "gpu", "--steps", "20"), StringComparison.Ordinal);
    }

    [Fact]
    public void Bench_architectures_gives_one_object_per_architecture_with_the_L0_that_was_asked_for()
    {
        var rows = Json("bench", "architectures", "--d-model", "64", "--d-sae", "512", "--l0", "8", "--batch-tokens", "64", "--rounds", "1", "--json").EnumerateArray().ToArray();
        Assert.Equal(["standard", "standard-free", "topk", "batchtopk", "matryoshka_batchtopk", "jumprelu", "gated"], rows.Select(r => r.GetProperty("architecture").GetString()));
        Assert.All(rows, row => Assert.InRange(row.GetProperty("l0").GetDouble(), 4, 12));
        Assert.All(rows, row => Assert.True(row.GetProperty("ratio_dense").GetDouble() > 0));
        Assert.Contains("d_model is 40; allowed: multiples of 32", Fail(null, "bench", "architectures", "--d-model", "40"), StringComparison.Ordinal);
    }

    [Fact]
    public void Bench_harvest_gives_its_ratios_over_a_forward_that_is_the_same_mathematics()
    {
        var row = Json("bench", "harvest", "--batch-contexts", "1", "--sequence-length", "4", "--rounds", "1", "--json");
        foreach (string key in (string[])["ratio_straightforward", "times_gemm_limit", "tokens_per_second", "sweep_ratio"]) Assert.True(row.GetProperty(key).GetDouble() > 0, key);
        Assert.True(row.GetProperty("cpu_ms_per_1024_tokens_one_thread").GetDouble() >= 0);
        Assert.True(HarvestBench.LargestDifference() < 1e-5);
    }

    [Fact]
    public void Bench_finetune_gives_its_three_ratios()
    {
        var row = Json("bench", "finetune", "--d-sae", "64", "--steps", "1", "--responses", "4", "--rounds", "1", "--json");
        Assert.Equal("blocks.2.mlp_out", row.GetProperty("hook").GetString());
        foreach (string key in (string[])["sft_epoch_ratio", "ppo_update_ratio", "generation_ratio"]) Assert.True(row.GetProperty(key).GetDouble() > 0, key);
        Assert.Contains("responses is 3; allowed: 4 or more", Fail(null, "bench", "finetune", "--responses", "3"), StringComparison.Ordinal);
    }

    [Fact]
    public void Bench_index_gives_its_speed_beside_the_harvest_and_the_size_of_a_latent()
    {
        var row = Json("bench", "index", "--d-sae", "64", "--tokens", "1024", "--rounds", "1", "--measured-latents", "2", "--json");
        foreach (string key in (string[])["index_ratio", "encoded_ratio", "build_ratio", "tokens_per_second"]) Assert.True(row.GetProperty(key).GetDouble() > 0, key);
        Assert.InRange(row.GetProperty("bytes_per_latent").GetDouble(), 1000, 4000);
        Assert.Equal(5, row.GetProperty("stage_seconds").EnumerateObject().Count());
    }

    [Theory]
    [InlineData("--shapes", "512", "'512' in shapes is not a pair such as 512x2048.")]
    [InlineData("--densities", "2", "'2' in densities is not a share above 0 and below 1.")]
    [InlineData("--rounds", "0", "rounds is 0; allowed: 1 or more")]
    public void Nonsense_is_refused_in_one_sentence(string flag, string value, string sentence)
    {
        var (code, _, error) = Invoke(CancellationToken.None, "bench", "sae", flag, value);
        Assert.NotEqual(0, code);
        Assert.Contains(sentence, error, StringComparison.Ordinal);
    }

    [Fact]
    public void Ours_dense_and_autograd_are_the_same_mathematics()
    {
        // Beside the timing: all three variants end with the same decoder after a few steps, so the ratios compare like with like.
        Assert.True(SaeBench.LargestDifference(dModel: 64, dSae: 96, density: 0.1, batchTokens: 50, steps: 3) < 1e-5);
    }
}
