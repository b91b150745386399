using Parsimony.FineTuning;
using Parsimony.FineTuning.Policy;
using Parsimony.FineTuning.Rewards;
using Parsimony.Models;
using Parsimony.Tests.FineTuning.Rewards;
using Parsimony.Tests.Splicing;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Policy;

/// <summary>A tiny random model that speaks the tokens of <see cref="SomeTexts"/>, prompts for it, and rewards that count tokens.</summary>
internal static class SomePolicy
{
    public static Transformer Model(int vocabulary = 265)
    {
        var config = Some.Config() with { DVocab = vocabulary };
        return new Transformer(config, Some.Weights(config));
    }

    /// <summary>Prompts of 1 to 7 tokens.</summary>
    public static List<RolloutPrompt> Prompts(int count = 5)
    {
        var random = new Random(3);
        return [.. Enumerable.Range(0, count).Select(i =>
        {
            int[] ids = [.. Enumerable.Range(0, 1 + i * 3 % 7).Select(_ => 1 + random.Next(250))];
            return new RolloutPrompt(SomeTexts.Tokenizer.Decode(ids), ids);
        })];
    }

    /// <summary>The share of a response's tokens that are in the first half of the vocabulary, each token's credit on it or all of it on the text.</summary>
    public static WeightedRewards LowTokens(bool perToken = false) => new((new DelegateReward("low_tokens", texts => [.. texts.Select(text =>
    {
        double[] credit = [.. text.Tokens.Select(id => id < 130 ? 1.0 / text.Tokens.Length : 0)];
        return new RewardScore(credit.Sum(), perToken ? credit : null);
    })]), 1));

    public static PolicyOptions Options(PolicyAlgorithm algorithm) => new()
    {
        Algorithm = algorithm,
        Steps = 4,
        BatchSize = 12,
        ResponsesPerPrompt = 3,
        Minibatches = 3,
        Epochs = 2,
        MaxNewTokens = 6,
        LearningRate = 0.02,
        CheckpointEverySteps = 2,
        Seed = 4,
    };

    /// <summary>Dials away from rest.</summary>
    public static FeatureDials Dials()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(8, CPU);
        return FeatureDials.Of(TinySae.At, 1 + randn(TinySae.DSae, generator: generator) * 0.3, randn(TinySae.DSae, generator: generator) * 0.1);
    }
}
