using Parsimony.Tools.LanguageModel;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Tools;

public sealed class LmOptimizerTests
{
    private static float[] SingularValues(Tensor matrix) => linalg.svdvals(matrix).data<float>().ToArray();

    [Fact]
    public void Newton_Schulz_brings_all_singular_values_near_one()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(1, CPU);
        var random = randn([3, 24, 40], generator: generator);
        var o = Orthogonalise.NewtonSchulz(random);
        Assert.All(SingularValues(o), s => Assert.InRange(s, 0.6f, 1.3f));
        // Left and right singular vectors stay: the product with the original sums its singular values, each times one near 1.
        Assert.True((random * o).sum().item<float>() > 0.6 * SingularValues(random).Sum());
    }

    [Fact]
    public void Query_key_and_value_of_all_heads_are_orthogonalised_apart()
    {
        using var scope = NewDisposeScope();
        var config = Some.Config();
        using var weights = TrainableWeights.Create(config, seed: 0);
        const string name = "gpt_neox.layers.0.attention.query_key_value.weight";
        var parameter = weights.Parameters[name];
        var before = parameter.detach().clone();
        using var generator = new Generator(2, CPU);
        foreach (var p in weights.Parameters.Values) p.grad = randn(p.shape, generator: generator);
        using var optimizer = new LmOptimizer(config, weights, new LmOptimizerOptions { MatrixLearningRate = 0.5, WeightDecay = 0 });
        optimizer.Step(1, 1);
        var moved = ((before - parameter.detach()) / 0.5).view(config.NHeads, 3, config.DHead, config.DModel);
        for (int part = 0; part < 3; part++)
            Assert.All(SingularValues(moved.select(1, part).reshape(config.DModel, config.DModel)), s => Assert.InRange(s, 0.2f, 1.3f));
    }

    [Fact]
    public void Adam_moves_every_number_by_the_learning_rate_at_first()
    {
        using var scope = NewDisposeScope();
        using var weights = TrainableWeights.Create(Some.Config(), seed: 0);
        var bias = weights.Parameters["gpt_neox.final_layer_norm.bias"];
        foreach (var p in weights.Parameters.Values) p.grad = ones_like(p) * -3;
        using var optimizer = new LmOptimizer(Some.Config(), weights, new LmOptimizerOptions { VectorLearningRate = 0.01 });
        optimizer.Step(1, scale: 0.5);
        Assert.All(bias.detach().data<float>().ToArray(), x => Assert.Equal(0.005f, x, 1e-6f));
    }

    [Fact]
    public void Gradients_are_zero_after_a_step()
    {
        using var scope = NewDisposeScope();
        using var weights = TrainableWeights.Create(Some.Config(), seed: 0);
        foreach (var p in weights.Parameters.Values) p.grad = ones_like(p);
        using var optimizer = new LmOptimizer(Some.Config(), weights, new LmOptimizerOptions());
        optimizer.Step(1, 1);
        Assert.All(weights.Parameters.Values, p => Assert.Equal(0, p.grad!.abs().sum().item<float>()));
    }
}
