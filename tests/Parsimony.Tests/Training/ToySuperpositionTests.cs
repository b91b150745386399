using Parsimony.Models;
using Parsimony.Training;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Training;

/// <summary>More features than dimensions, each active now and then: the toy world in which the truth is known.</summary>
public sealed class ToySuperpositionTests(ITestOutputHelper output)
{
    private const int Features = 32, Width = 20, Tokens = 8192, Batch = 256;

    // Measured: standard 0.982, with free rows 0.997, topk 0.977, batchtopk 0.984, matryoshka 0.934 (its first half must do alone), jumprelu 0.961, gated 0.994, transcoder 0.989.
    [Theory]
    [InlineData(SaeArchitecture.Standard, 0.97)]
    [InlineData(SaeArchitecture.Standard, 0.98, DecoderConstraint.Free)]
    [InlineData(SaeArchitecture.Topk, 0.95)]
    [InlineData(SaeArchitecture.Batchtopk, 0.96)]
    [InlineData(SaeArchitecture.MatryoshkaBatchtopk, 0.91)]
    [InlineData(SaeArchitecture.Jumprelu, 0.94)]
    [InlineData(SaeArchitecture.Gated, 0.97)]
    [InlineData(SaeArchitecture.Transcoder, 0.97)]
    public void Every_architecture_finds_the_true_features(SaeArchitecture architecture, double atLeast, DecoderConstraint constraint = DecoderConstraint.Renormalise)
    {
        using var scope = NewDisposeScope();
        var best = Cosines(Options(architecture) with { DecoderConstraint = constraint });
        string measured = $"{architecture} {constraint}: mean max cosine {best.mean().item<float>():0.000}, worst {best.min().item<float>():0.000}";
        output.WriteLine(measured);
        Assert.True(best.mean().item<float>() > atLeast, measured);
        if (architecture == SaeArchitecture.Standard && constraint == DecoderConstraint.Renormalise) Assert.True(best.min().item<float>() > 0.9, measured);
    }

    /// <summary>The cosine of each true feature with the latent nearest to it, after a short training.</summary>
    private static Tensor Cosines(SaeTrainingOptions options)
    {
        var truth = Drawn.Normal(1, Features, Width);
        truth = truth / truth.norm(1, keepdim: true);
        var active = Drawn.Normal(2, Tokens, Features) > 2.0; // on 2.3 % of the tokens, 0.7 features a token
        var x = (active * (Drawn.Normal(3, Tokens, Features).abs() + 0.5)).matmul(truth);
        using var trainer = new SaeTrainer(options, new TensorSource(x, Batch), new HookPoint(1, HookSite.MlpOut));
        using var trained = trainer.Train();
        var rows = trained.Sae.WDec;
        return truth.matmul((rows / rows.norm(1, keepdim: true)).t()).amax(1);
    }

    private static SaeTrainingOptions Options(SaeArchitecture architecture)
    {
        var options = new SaeTrainingOptions
        {
            Architecture = architecture,
            DSae = 64,
            LearningRate = 1e-2,
            L1Coefficient = architecture == SaeArchitecture.Gated ? 1 : 0.3,
            TrainingTokens = Batch * 500,
            LearningRateDecayTokens = Batch * 200,
            ResampleEverySteps = 200,
            ResampleLookBackSteps = 100,
            LogEverySteps = 500,
            TopK = new() { K = architecture == SaeArchitecture.Transcoder ? null : 1, DeadAfterTokens = 20 * Batch, GroupFractions = [0.5, 0.5] },
            Seed = 4,
        };
        return architecture switch
        {
            SaeArchitecture.Jumprelu => options with { TargetL0 = 1, L1WarmUpTokens = Batch * 100, Jumprelu = new() { Bandwidth = 0.1, FirstThreshold = 0.05 } },
            _ => options,
        };
    }
}
