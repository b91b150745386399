using Parsimony.Cli.Runs;
using Parsimony.Models;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Models;

public sealed class ModelTensorsTests
{
    public static TheoryData<string> Families => [.. SomeFamily.All];

    [Theory]
    [MemberData(nameof(Families))]
    public void The_tensors_of_a_shape_are_those_written_down_by_hand(string family)
    {
        var config = SomeFamily.Config(family);
        using var weights = SomeFamily.Weights(config);
        var byHand = weights.Names.Where(n => family switch // what that list has too many
        {
            "qwen2" => n != "lm_head.weight", // tied
            "llama" => !n.EndsWith(".bias", StringComparison.Ordinal),
            _ => true,
        });
        Assert.Equal(byHand.ToDictionary(n => n, n => string.Join(",", weights.Shape(n))).OrderBy(t => t.Key),
            ModelTensors.Of(config).ToDictionary(t => t.Name, t => string.Join(",", t.Shape)).OrderBy(t => t.Key));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void A_model_runs_on_random_numbers_of_these_shapes(string family)
    {
        var config = SomeFamily.Config(family);
        using var model = new Transformer(config, new RandomWeights(config));
        using var tokens = Some.Tokens();
        using var logits = model.Forward(tokens);
        Assert.True(logits.isfinite().all().item<bool>());
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void Memory_by_arithmetic_is_what_the_model_holds(string family)
    {
        foreach (var storage in Enum.GetValues<WeightStorage>())
        {
            var config = SomeFamily.Config(family);
            using var model = new Transformer(config, SomeFamily.Weights(config), storage: storage);
            using var tokens = Some.Tokens();
            model.Activations(new HookPoint(1, HookSite.ResidPost), tokens).Dispose(); // not mlp_out: with the parallel residual the last attention is not even read
            var size = new ModelSize(config, storage);
            long surplus = size.EmbeddingBytes + 2 * size.LayerBytes - model.BytesHeld;
            if (family is "gpt_neox" or "gpt2") Assert.Equal(0, surplus);
            else Assert.InRange(surplus, 0, 2 * sizeof(float) * (8 * config.DModel + 3 * config.DMlp)); // biases it does not have
        }
    }
}
