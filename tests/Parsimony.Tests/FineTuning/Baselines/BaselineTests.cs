using Parsimony.Files;
using Parsimony.FineTuning;
using Parsimony.FineTuning.Baselines;
using Parsimony.Models;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Baselines;

public sealed class BaselineTests
{
    private static readonly HookPoint At = new(1, HookSite.MlpOut);

    /// <summary>Pythia 6.9B without its weights: no adapter reads one.</summary>
    private static Transformer Pythia69() => new(
        new GptNeoXConfig { NLayers = 32, DModel = 4096, DMlp = 16384, NHeads = 32, DVocab = 50432, MaxSequenceLength = 2048 }, new NoWeights());

    [Theory]
    [InlineData(BaselineMethod.Lora, 32_768)]       // r = 2 on query_key_value: 2 (4096 + 12288)
    [InlineData(BaselineMethod.Ia3, 28_672)]        // query_key_value and dense_4h_to_h: 12288 + 16384
    [InlineData(BaselineMethod.Neurons, 32_768)]    // 2 d_mlp
    [InlineData(BaselineMethod.Bias, 36_864)]       // 12288 + 4096 + 16384 + 4096
    [InlineData(BaselineMethod.Steering, 4_096)]
    public void At_the_articles_size_the_counts_are_those_of_PEFT(BaselineMethod method, long count)
    {
        using var model = Pythia69();
        using var adapter = Baseline.Create(new BaselineOptions { Method = method, Budget = 32_768 }, model, At);
        Assert.Equal(count, adapter.TrainableParameters);
        if (adapter is LoraAdapter lora) Assert.Equal((2, 2.0), (lora.Rank, lora.Alpha));
    }

    [Fact]
    public void Other_counts_of_PEFT_at_that_size()
    {
        using var model = Pythia69();
        using var ia3 = new Ia3Adapter(model, [.. Enumerable.Range(0, 32)]);
        Assert.Equal(917_504, ia3.TrainableParameters);
        using var dense = Baseline.Create(new BaselineOptions { Method = BaselineMethod.Lora, Targets = [LinearTarget.AttnOut], Budget = 32_768 }, model, At);
        Assert.Equal((4, 32_768), (((LoraAdapter)dense).Rank, dense.TrainableParameters));
        using var bitFit = Baseline.Create(new BaselineOptions { Method = BaselineMethod.Bias, Norms = true, Budget = 32_768 }, model, At);
        Assert.Equal(45_056, bitFit.TrainableParameters);
    }

    [Fact]
    public void Full_counts_every_number_of_the_layer()
    {
        var config = Some.Config();
        using var model = Some.Model();
        using var weights = Some.Weights(config);
        using var full = Baseline.Create(new BaselineOptions { Method = BaselineMethod.Full, EqualParameters = false }, model, At);
        Assert.Equal(weights.Names.Where(n => n.Contains(".layers.1.", StringComparison.Ordinal)).Sum(n => weights.Shape(n).Aggregate(1L, (a, b) => a * b)), full.TrainableParameters);
        Assert.Equal(["embedding", "final norm", "unembedding"], ((FullAdapter)full).NotCovered);
    }

    [Theory]
    [InlineData(1, 1, 64)]
    [InlineData(90, 1, 64)]
    [InlineData(97, 2, 128)]
    [InlineData(640, 10, 640)]
    public void The_rank_is_the_one_that_comes_nearest_to_the_budget(long budget, int rank, long count)
    {
        using var model = Some.Model();
        using var lora = (LoraAdapter)Baseline.Create(new BaselineOptions { Method = BaselineMethod.Lora, Budget = budget }, model, At);
        Assert.Equal((rank, count), (lora.Rank, lora.TrainableParameters));
    }

    [Theory]
    [InlineData(BaselineMethod.Bias, 1, 100, "1")]      // 112 a layer
    [InlineData(BaselineMethod.Bias, 1, 200, "1 2")]
    [InlineData(BaselineMethod.Bias, 2, 200, "1 2")]
    [InlineData(BaselineMethod.Bias, 1, 1000, "0 1 2")]
    [InlineData(BaselineMethod.Ia3, 1, 160, "1 2")]     // 80 a layer
    [InlineData(BaselineMethod.Full, 1, 1, "1")]
    public void Layers_are_added_above_the_hook_and_then_below_until_the_budget_is_met(BaselineMethod method, int hook, long budget, string layers)
    {
        using var model = Some.Model();
        using var adapter = Baseline.Create(new BaselineOptions { Method = method, Budget = budget }, model, At with { Layer = hook });
        Assert.Equal(layers, string.Join(' ', adapter.Hooks.Select(at => at.Layer).Distinct()));
    }

    [Theory]
    [InlineData(64, 32, "1", 64)]
    [InlineData(20, 10, "1", 20)]
    [InlineData(96, 24, "1 2", 96)]
    [InlineData(1000, 32, "0 1 2", 192)]
    public void Neurons_are_as_many_as_the_budget_has_pairs_for(long budget, int each, string layers, long count)
    {
        using var model = Some.Model();
        using var adapter = (NeuronAdapter)Baseline.Create(new BaselineOptions { Method = BaselineMethod.Neurons, Budget = budget }, model, At);
        Assert.Equal((each, layers, count), (adapter.Neurons, string.Join(' ', adapter.Hooks.Select(at => at.Layer)), adapter.TrainableParameters));
    }

    [Fact]
    public void Without_a_budget_it_is_as_large_as_the_dials_of_the_sae()
    {
        using var model = Some.Model();
        using var sae = Some.Sae();
        using var neurons = Baseline.Create(new BaselineOptions { Method = BaselineMethod.Neurons }, model, At, sae);
        Assert.Equal(2 * sae.DSae, neurons.TrainableParameters);
        Assert.Contains("set budget", Assert.Throws<ArgumentException>(() => Baseline.Create(new BaselineOptions { Method = BaselineMethod.Lora }, model, At)).Message, StringComparison.Ordinal);
        using var free = (LoraAdapter)Baseline.Create(new BaselineOptions { Method = BaselineMethod.Lora, EqualParameters = false, Layers = [0, 2], Alpha = 16 }, model, At, positions: TokenPositions.Response);
        Assert.Equal((8, 16.0, TokenPositions.Response, 2 * 8 * 64L), (free.Rank, free.Alpha, free.Positions, free.TrainableParameters));
        Assert.Contains("dials are dials", Assert.Throws<ArgumentException>(() => Baseline.Create(new BaselineOptions(), model, At, sae)).Message, StringComparison.Ordinal);
        using var own = (LoraAdapter)Baseline.Create(new BaselineOptions { Method = BaselineMethod.Lora, Rank = 3, Budget = 64 }, model, At);
        Assert.Equal(3, own.Rank);
    }

    [Fact]
    public void The_seed_decides_what_is_drawn_at_birth()
    {
        using var model = Some.Model();
        float[] Born(long seed)
        {
            using var lora = new LoraAdapter(model, [1], [LinearTarget.Qkv], 4, seed: seed);
            return lora.Parameters["blocks.1.qkv.lora_A"].Floats();
        }
        Assert.Equal(Born(3), Born(3));
        Assert.NotEqual(Born(3), Born(4));
        Assert.All(Born(3), a => Assert.InRange(Math.Abs(a), 0, 0.25)); // 1 / sqrt(16)
        Assert.InRange(Born(3).Average(a => a * a), 0.015, 0.027);      // a third of the bound's square
    }

    [Fact]
    public void Options_are_snake_case_json_and_their_faults_are_named_together()
    {
        var options = new BaselineOptions { Method = BaselineMethod.Ia3, ScaleQueries = true };
        string json = Json.WriteLine(options);
        Assert.Contains("\"method\":\"ia3\",\"equal_parameters\":true", json, StringComparison.Ordinal);
        Assert.Equal(options, Json.Parse<BaselineOptions>(json, "test"));
        Assert.Contains("\"targets\":[\"attn_out\",\"mlp_down\"]", Json.WriteLine(new BaselineOptions { Targets = [LinearTarget.AttnOut, LinearTarget.MlpDown] }), StringComparison.Ordinal);

        string said = Assert.Throws<ArgumentException>(() => new BaselineOptions
        {
            Method = BaselineMethod.Steering,
            Rank = 0,
            Budget = 0,
            Layers = [],
            Targets = [LinearTarget.Qkv],
            Neurons = 3,
        }.Validated()).Message;
        foreach (string fault in (string[])["budget is 0", "rank is 0; allowed: 1 or more", "rank is 0; allowed: not set with steering; it is for lora", "layers is []",
            "targets is [qkv]; allowed: not set with steering; it is for lora bias full", "neurons is 3; allowed: not set with steering"])
            Assert.Contains(fault, said, StringComparison.Ordinal);
    }

    [Fact]
    public void A_layer_or_a_neuron_that_the_model_lacks_is_refused()
    {
        using var model = Some.Model();
        Assert.Contains("layer 3 is none of this model's; allowed are 0 to 2", Assert.Throws<ArgumentException>(() => new LoraAdapter(model, [0, 3], [LinearTarget.Qkv], 2)).Message, StringComparison.Ordinal);
        Assert.Contains("expected 1 to 32", Assert.Throws<ArgumentException>(() => new NeuronAdapter(model, [0], 33)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new BiasAdapter(model, [0], []));
        Assert.Throws<ArgumentException>(() => new FullAdapter(model, [], [LinearTarget.Qkv]));
        Assert.Throws<ArgumentException>(() => Baseline.Create(new BaselineOptions { Method = BaselineMethod.Lora, Budget = 5 }, model, new HookPoint(7, HookSite.MlpOut)));
    }

    private sealed class NoWeights : IWeightSource
    {
        public IReadOnlyCollection<string> Names => [];
        public string? Sha256 => null;
        public bool Contains(string name) => false;
        public IReadOnlyList<long> Shape(string name) => throw new InvalidOperationException();
        public Tensor Read(string name) => throw new InvalidOperationException();
        public void Dispose() { }
    }
}
