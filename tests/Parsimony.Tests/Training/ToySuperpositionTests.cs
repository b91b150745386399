using Parsimony.Models;
using Parsimony.Training;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Training;

/// <summary>More features than dimensions, each active now and then: the toy world in which the truth is known.</summary>
public sealed class ToySuperpositionTests
{
    [Fact]
    public void True_features_are_found_again()
    {
        using var scope = NewDisposeScope();
        const int features = 32, width = 20, tokens = 8192;
        var truth = Drawn.Normal(1, features, width);
        truth = truth / truth.norm(1, keepdim: true);
        var active = Drawn.Normal(2, tokens, features) > 2.0; // on 2.3 % of the tokens, 0.7 features a token
        var x = (active * (Drawn.Normal(3, tokens, features).abs() + 0.5)).matmul(truth);
        var options = new SaeTrainingOptions
        {
            DSae = 64,
            LearningRate = 1e-2,
            L1Coefficient = 0.3,
            TrainingTokens = 256 * 800,
            LearningRateDecayTokens = 256 * 300,
            ResampleEverySteps = 200,
            ResampleLookBackSteps = 100,
            LogEverySteps = 800,
            Seed = 4,
        };
        using var trainer = new SaeTrainer(options, new TensorSource(x, 256), new HookPoint(1, HookSite.MlpOut));
        using var trained = trainer.Train();
        var best = truth.matmul(trained.Sae.WDec.t()).amax(1); // cosine of each true feature with the latent nearest to it
        Assert.True(best.min().item<float>() > 0.9, $"worst cosine {best.min().item<float>()}, mean {best.mean().item<float>()}");
    }
}
