using Parsimony.Models;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Models;

public sealed class ModelLawTests
{
    public static TheoryData<HookSite, bool> Sites
    {
        get
        {
            var data = new TheoryData<HookSite, bool>();
            foreach (var site in Enum.GetValues<HookSite>())
            {
                data.Add(site, true);
                data.Add(site, false);
            }
            return data;
        }
    }

    [Theory, MemberData(nameof(Sites))]
    public void Running_to_a_hook_and_on_from_it_is_running_whole(HookSite site, bool parallel)
    {
        using var model = Some.Model(parallel: parallel);
        using var nograd = no_grad();
        using var scope = NewDisposeScope();
        var tokens = Some.Tokens();
        var whole = model.Forward(tokens);
        var state = model.RunTo(new HookPoint(1, site), tokens);
        Assert.True(whole.SameBits(model.RunFrom(state)));
    }

    [Theory, MemberData(nameof(Sites))]
    public void Activations_are_what_a_tap_sees(HookSite site, bool parallel)
    {
        using var model = Some.Model(parallel: parallel);
        using var nograd = no_grad();
        using var scope = NewDisposeScope();
        var tokens = Some.Tokens();
        var at = new HookPoint(1, site);
        Tensor? seen = null;
        model.Forward(tokens, (here, x) => { if (here == at) seen = x.clone().DetachFromDisposeScope(); return x; });
        Assert.True(seen!.SameBits(model.Activations(at, tokens)));
        Assert.Equal(model.Width(site), seen!.size(2));
        seen.Dispose();
    }

    [Fact]
    public void A_tap_is_called_at_every_hook_point_in_the_order_the_data_flows()
    {
        using var model = Some.Model(layers: 2);
        using var tokens = Some.Tokens();
        var seen = new List<HookPoint>();
        model.Forward(tokens, (at, x) => { seen.Add(at); return x; }).Dispose();
        Assert.Equal(from layer in Enumerable.Range(0, 2) from site in Enum.GetValues<HookSite>() select new HookPoint(layer, site), seen);
    }

    [Fact]
    public void Later_layers_are_not_read()
    {
        var config = Some.Config(layers: 3);
        var reads = new List<string>();
        using var model = new Transformer(config, new Spy(Some.Weights(config), reads));
        using var tokens = Some.Tokens();
        model.Activations(new HookPoint(1, HookSite.MlpOut), tokens).Dispose();
        Assert.DoesNotContain(reads, name => name.Contains("layers.2.", StringComparison.Ordinal) || name.StartsWith("embed_out", StringComparison.Ordinal));
        Assert.Contains(reads, name => name.Contains("layers.1.", StringComparison.Ordinal));
    }

    [Fact]
    public void Sampling_with_a_seed_repeats_itself_and_the_cache_changes_nothing()
    {
        using var model = Some.Model();
        int[][] prompts = [[1, 2, 3], [4, 5, 6, 7, 8]];
        var options = new SamplingOptions { MaxNewTokens = 20, Temperature = 0.8, TopK = 12, TopP = 0.9, Seed = 11 };
        var first = Generation.Generate(model, prompts, options);
        Assert.Equal(first, Generation.Generate(model, prompts, options));
        Assert.Equal(first, Generation.Generate(model, prompts, options with { UseCache = false }));
        Assert.NotEqual(first, Generation.Generate(model, prompts, options with { Seed = 12 }));
    }

    [Fact]
    public void Many_prompts_of_one_length_are_continued_as_each_alone_is()
    {
        using var model = Some.Model();
        var prompts = Some.Contexts(64, 10);
        var greedy = new SamplingOptions { MaxNewTokens = 4, Temperature = 0 };
        var together = Generation.Generate(model, prompts, greedy);
        Assert.All(prompts.Zip(together).Take(8), p => Assert.Equal(Generation.Generate(model, [p.First], greedy)[0], p.Second));
    }

    [Fact]
    public void Generation_ends_at_the_end_of_text_token_even_when_its_id_is_zero()
    {
        using var model = Some.Model();
        var options = new SamplingOptions { MaxNewTokens = 50, Seed = 2 };
        var rows = Generation.Generate(model, [[1], [2], [3], [4]], options, endOfTextId: 0);
        Assert.Contains(rows, r => r[^1] == 0 && r.Length < 50);
        Assert.All(rows, r => Assert.DoesNotContain(0, r[..^1]));
    }

    [Fact]
    public void Top_p_keeps_the_fewest_tokens_that_reach_p()
    {
        using var p = tensor(new float[,] { { 0.5f, 0.3f, 0.15f, 0.05f } });
        using var kept = Sampler.KeepTopP(p, 0.7);
        Assert.Equal([0.5f, 0.3f, 0, 0], kept.Floats());
    }

    [Fact]
    public void Top_k_keeps_k()
    {
        using var logits = tensor(new float[,] { { 1, 4, 3, 2 } });
        using var kept = Sampler.KeepTopK(logits, 2);
        Assert.Equal([float.NegativeInfinity, 4, 3, float.NegativeInfinity], kept.Floats());
    }

    [Fact]
    public void A_forward_pass_leaves_no_tensor_behind()
    {
        using var model = Some.Model();
        using var tokens = Some.Tokens();
        model.Forward(tokens).Dispose(); // reads the weights
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        for (int i = 0; i < 3; i++)
        {
            model.Forward(tokens).Dispose();
            using var state = model.RunTo(new HookPoint(1, HookSite.MlpOut), tokens);
            model.RunFrom(state).Dispose();
        }
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    private sealed class Spy(IWeightSource inner, List<string> reads) : IWeightSource
    {
        public IReadOnlyCollection<string> Names => inner.Names;
        public string? Sha256 => null;
        public bool Contains(string name) => inner.Contains(name);
        public IReadOnlyList<long> Shape(string name) => inner.Shape(name);
        public void Dispose() => inner.Dispose();

        public Tensor Read(string name)
        {
            reads.Add(name);
            return inner.Read(name);
        }
    }
}
