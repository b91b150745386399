using Parsimony.FineTuning;
using Parsimony.FineTuning.Baselines;
using Parsimony.Models;
using Parsimony.Tests.Models;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Baselines;

/// <summary>Each adapter, folded by hand into the weights of every family, is the model with those weights.</summary>
public sealed class AdapterByHandTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Tensor tokens = Some.Tokens();

    public static TheoryData<string> Families => [.. SomeAdapter.Families];

    private static readonly int[] Layers = [0, 2];

    [Theory, MemberData(nameof(Families))]
    public void Lora_is_the_model_whose_matrices_have_the_product_added(string family) => Same(family, "lora", (edited, numbers, layer) =>
    {
        foreach (var target in Enum.GetValues<LinearTarget>())
        {
            var (a, b) = (numbers[$"blocks.{layer}.{Word(target)}.lora_A"], numbers[$"blocks.{layer}.{Word(target)}.lora_B"]);
            edited.Map(layer, target, w => w + b.matmul(a) * 2); // alpha / r = 6 / 3
        }
    });

    [Theory, MemberData(nameof(Families))]
    public void Full_is_the_model_whose_weights_have_the_changes_added(string family) => Same(family, "full", (edited, numbers, layer) =>
    {
        foreach (var target in Enum.GetValues<LinearTarget>())
        {
            string name = $"blocks.{layer}.{Word(target)}.";
            edited.Map(layer, target, w => w + numbers[name + "weight"], numbers.TryGetValue(name + "bias", out var change) ? b => b + change : null);
        }
        foreach (bool attention in (bool[])[true, false])
        {
            string name = $"blocks.{layer}.{(attention ? "attn_in" : "mlp_in")}.";
            var gamma = numbers[name + "gamma"];
            edited.Norm(layer, attention, g => g * (1 + gamma), numbers.TryGetValue(name + "beta", out var beta) ? b => b * (1 + gamma) + beta : null);
        }
    });

    [Theory, MemberData(nameof(Families))]
    public void Ia3_is_the_model_whose_rows_of_qkv_and_columns_of_the_last_map_are_scaled(string family) => Same(family, family is "llama" or "qwen2" ? "ia3 with queries" : "ia3", (edited, numbers, layer) =>
    {
        var (heads, hidden) = (1 + numbers[$"blocks.{layer}.attn_qkv.gamma"], 1 + numbers[$"blocks.{layer}.mlp_post.gamma"]);
        edited.Map(layer, LinearTarget.Qkv, w => w * heads.unsqueeze(1), family == "llama" ? null : b => b * heads);
        edited.Map(layer, LinearTarget.MlpDown, w => w * hidden);
    });

    [Theory, MemberData(nameof(Families))]
    public void Without_queries_ia3_scales_the_rows_of_keys_and_values_alone(string family)
    {
        var config = Config(family);
        long head = config.DHead, queries = config.NHeads * head, keys = config.NKvHeads * head;
        Same(family, "ia3 without queries", (edited, numbers, layer) =>
        {
            var (gamma, hidden) = (numbers[$"blocks.{layer}.attn_qkv.gamma"], 1 + numbers[$"blocks.{layer}.mlp_post.gamma"]);
            Assert.Equal(2 * keys, gamma.numel());
            var heads = ones(queries + 2 * keys);
            long at = 0;
            for (long row = 0; row < queries + 2 * keys; row++)
            {
                bool isQuery = config is GptNeoXConfig ? row % (3 * head) < head : row < queries;
                if (!isQuery) heads[row] = 1 + gamma[at++];
            }
            edited.Map(layer, LinearTarget.Qkv, w => w * heads.unsqueeze(1), family == "llama" ? null : b => b * heads);
            edited.Map(layer, LinearTarget.MlpDown, w => w * hidden);
        });
    }

    [Theory]
    [InlineData("sequential")]
    [InlineData("gpt_neox")]
    [InlineData("gpt2")]
    public void Bias_is_the_model_whose_biases_are_changed(string family) => Same(family, "bias", (edited, numbers, layer) =>
    {
        foreach (var (target, site) in Enum.GetValues<LinearTarget>().Zip((string[])["attn_qkv", "attn_out", "mlp_pre", "mlp_out"]))
            edited.Map(layer, target, null, b => b + numbers[$"blocks.{layer}.{site}.bias"]);
        foreach (bool attention in (bool[])[true, false])
            edited.Norm(layer, attention, g => g, b => b + numbers[$"blocks.{layer}.{(attention ? "attn_in" : "mlp_in")}.bias"]);
    });

    [Theory]
    [InlineData("sequential", "neurons")]
    [InlineData("gpt_neox", "some neurons")]
    [InlineData("gpt2", "neurons")]
    public void Dials_on_neurons_are_scaled_rows_and_a_scaled_and_shifted_bias(string family, string kind)
    {
        var config = Config(family);
        Same(family, kind, (edited, numbers, layer) =>
        {
            var (c, d) = (ones(config.DMlp), zeros(config.DMlp));
            int[] chosen = kind == "neurons" ? [.. Enumerable.Range(0, config.DMlp)] : [.. NeuronsOf(layer)];
            for (int i = 0; i < chosen.Length; i++)
            {
                c[chosen[i]] = 1 + numbers[$"blocks.{layer}.mlp_pre.gamma"][i];
                d[chosen[i]] = numbers[$"blocks.{layer}.mlp_pre.shift"][i];
            }
            edited.Map(layer, LinearTarget.MlpUp, w => w * c.unsqueeze(1), b => b * c + d);
        });

        IReadOnlyList<int> NeuronsOf(int layer)
        {
            using var model = SomeAdapter.Model(family);
            using var adapter = (NeuronAdapter)SomeAdapter.Make(kind, model);
            var chosen = adapter.NeuronsOf(layer);
            Assert.Equal((5, 5), (chosen.Count, chosen.Distinct().Count()));
            return chosen;
        }
    }

    [Fact]
    public void A_steering_vector_is_added_to_every_token()
    {
        using var model = Some.Model();
        var at = new HookPoint(1, HookSite.ResidPost);
        using var adapter = new SteeringVectorAdapter(model, at);
        using var noGradient = no_grad();
        adapter.Vector.copy_(randn(16));
        Assert.True(model.Forward(tokens, (here, x) => here == at ? x + adapter.Vector : x).SameBits(model.Forward(tokens, adapter.Tap())));
    }

    private static IModelConfig Config(string family) => family == "sequential" ? Some.Config(parallel: false) : SomeFamily.Config(family);

    private static string Word(LinearTarget target) => target switch { LinearTarget.Qkv => "qkv", LinearTarget.AttnOut => "attn_out", LinearTarget.MlpUp => "mlp_up", _ => "mlp_down" };

    private void Same(string family, string kind, Action<EditedWeights, IReadOnlyDictionary<string, Tensor>, int> edit)
    {
        using var noGradient = no_grad();
        var config = Config(family);
        using var model = SomeAdapter.Model(family);
        using var adapter = SomeAdapter.Learnt(kind, model);
        var edited = new EditedWeights(config, SomeFamily.Weights(config));
        foreach (int layer in Layers) edit(edited, adapter.Parameters, layer);
        using var merged = new Transformer(config, edited);
        var (expected, found, plain) = (merged.Forward(tokens), model.Forward(tokens, adapter.Tap()), model.Forward(tokens));
        double size = expected.abs().max().item<float>();
        Assert.True((expected - found).abs().max().item<float>() <= 1e-5 * Math.Max(1, size));
        Assert.True((expected - plain).abs().max().item<float>() > 1e-2);
    }

    public void Dispose() => scope.Dispose();
}
