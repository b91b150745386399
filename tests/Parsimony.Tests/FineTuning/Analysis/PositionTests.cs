using Parsimony.FineTuning;
using Parsimony.FineTuning.Analysis;
using Parsimony.FineTuning.Policy;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tests.FineTuning.Policy;
using Parsimony.Tests.Splicing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Analysis;

/// <summary>Dials that act at some positions only are analysed with the mask they were trained with.</summary>
public sealed class PositionTests
{
    private static readonly AnalysisOptions Small = new() { Features = 40, LeaveOneOut = 4, RandomControls = 1, Doses = 3, TopContexts = 3 };

    // Prompts of 3 to 5 tokens.
    private static List<SftExample> Examples(int count = 6) => [.. Some.Contexts(count).Select((tokens, i) => new SftExample(tokens[..(12 - i % 3)], 3 + i % 3))];

    // A response that begins with the first token, of which the same tokens are to be predicted.
    private static List<SftExample> WithoutPrompt() =>
        [.. Examples().Select(e => new SftExample(e.Tokens, 0) { Mask = [.. e.Tokens.Select((_, t) => t >= e.FirstTarget)] })];

    [Theory]
    [InlineData(SpliceMode.Delta)]
    [InlineData(SpliceMode.Replace)]
    public void A_mask_of_all_positions_is_no_mask_bit_for_bit(SpliceMode mode)
    {
        using var some = new SomeAnalysis(mode);
        string Analysis(TokenPositions positions)
        {
            var seam = some.Both with { Positions = positions };
            var subject = new AnalysisSubject
            {
                Change = DialChange.Joined([SomeAnalysis.Change(), SomeAnalysis.SecondChange()]),
                Objective = new LossObjective(seam, WithoutPrompt()),
                Texts = WithoutPrompt(),
                Nulls = [DialChange.Joined([SomeAnalysis.Change(0.3), SomeAnalysis.SecondChange(0.2)])],
            };
            var analyser = new DialAnalyser(seam, Small);
            return Parsimony.Files.Json.WriteLine(analyser.Analyse(subject, SomeAnalysis.Second) with { Seconds = 0 }) + Parsimony.Files.Json.WriteLine(analyser.Together(subject));
        }
        Assert.Equal(Analysis(TokenPositions.All), Analysis(TokenPositions.Response));
    }

    [Theory]
    [InlineData(TokenPositions.Prompt)]
    [InlineData(TokenPositions.Response)]
    public void The_loss_is_the_trainers_and_its_gradients_are_those_of_the_masked_splice(TokenPositions positions)
    {
        using var some = new SomeAnalysis();
        using var scope = NewDisposeScope();
        var seam = some.Seam with { Positions = positions };
        var (change, loss) = (SomeAnalysis.Change(), new LossObjective(seam, Examples()));
        var (c, d) = change.Tensors();
        using var adapter = DialAdapter.Of(seam.Model, seam.Saes, [FeatureDials.Of(TinySae.At, c, d)], new DialOptions { Positions = positions });
        double trainers = new HeldOutLoss(seam.Model, seam.Prefixes, Examples(), 8, default).With(adapter);
        Assert.Equal(trainers, loss.Measure(seam, change, 8, default).Total, 1e-5);
        Assert.NotEqual(trainers, loss.Measure(some.Seam, change, 8, default).Total, 1e-4);

        using var each = ExampleGradients.At(seam, loss, change, batchSize: 4, [0], CancellationToken.None);
        var where = new SftBatch(Examples()).Where(positions);
        (c, d) = (c.requires_grad_(), d.requires_grad_());
        var total = loss.Score(0, [0, 1, 2, 3, 4, 5], _ => Taps.Splice(TinySae.At, seam.Saes[0].Sae, seam.Mode, c, d, where)).sum() / Examples().Sum(e => e.Targets);
        var gradients = Gradients.Of(total, [c, d]);
        var (gamma, shift) = each.Of(0);
        Assert.True(TinySae.Distance(gradients[0], gamma.to(ScalarType.Float32)) < 2e-5 * gradients[0].abs().max().item<float>());
        Assert.True(TinySae.Distance(gradients[1], shift.to(ScalarType.Float32)) < 2e-5 * gradients[1].abs().max().item<float>());
    }

    [Fact]
    public void Movement_counts_only_tokens_at_which_the_dials_act()
    {
        using var some = new SomeAnalysis();
        using var scope = NewDisposeScope();
        var change = SomeAnalysis.Change();
        var effects = DialEffects.Measure(some.Seam with { Positions = TokenPositions.Response }, change, Examples());
        Assert.Equal(Examples().Sum(e => e.Tokens.Length - e.FirstTarget), effects.TokensSeen);
        var sae = some.Seam.Saes[0].Sae;
        var x = cat([.. Examples().Select(e => some.Seam.Prefixes.Batch([e.Tokens]).Activation[0][e.FirstTarget..])]);
        var z = sae.PreActivations(x);                                                           // [response tokens, d_sae]
        var (c, d) = change.Tensors();
        double[] byHand = ((z * c + d).relu() - z.relu()).abs().mean([0L]).Doubles().Zip(linalg.vector_norm(sae.WDec, dims: [1]).Doubles(), (m, n) => m * n).ToArray();
        Assert.All(byHand.Zip(effects.Effect), pair => Assert.Equal(pair.First, pair.Second, 1e-6));
        var none = Assert.Throws<ArgumentException>(() => DialEffects.Measure(some.Seam with { Positions = TokenPositions.Response }, change, [new SftExample([1, 2, 3], 3)]));
        Assert.Contains("act at no token of the texts: at the response alone", none.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_feature_that_fires_at_no_masked_position_has_exactly_nothing()
    {
        using var some = new SomeAnalysis();
        var seam = some.Seam with { Positions = TokenPositions.Prompt };
        var texts = Examples(2);
        var density = DialEffects.Measure(seam, DialChange.None(40), texts).DensityBefore;
        int silent = Array.FindIndex(density, share => share == 0);
        Assert.True(silent >= 0 && DialEffects.Measure(some.Seam, DialChange.None(40), texts).DensityBefore[silent] > 0, "it must fire in the responses");
        using var scope = NewDisposeScope();
        var c = ones(40);
        c[silent] = 1.7f;
        var change = DialChange.Of(c, zeros(40));
        var loss = new LossObjective(seam, texts);
        Assert.Equal(0, PathAttribution.Of(seam, change, loss).Change);
        Assert.Equal(0, LeaveOneOut.Measure(seam, change, loss, [silent]).Features[0].LeftOut.Total);
        Assert.Equal(0, FeatureStatistics.Measure(seam, change, loss).T[silent]);
        Assert.NotEqual(0, LeaveOneOut.Measure(some.Seam, change, new LossObjective(some.Seam, texts), [silent]).Features[0].LeftOut.Total);
    }

    [Theory]
    [InlineData(SpliceMode.Delta)]
    [InlineData(SpliceMode.Replace)]
    public void What_is_sampled_is_what_is_weighed(SpliceMode mode)
    {
        using var some = new SomeAnalysis(mode, vocabulary: 265);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        foreach (var positions in Enum.GetValues<TokenPositions>())
        {
            var seam = some.Both with { Positions = positions };
            var dials = DialChange.Joined([SomeAnalysis.Change(), SomeAnalysis.SecondChange()]);
            var prompts = SomePolicy.Prompts(4);
            var rollout = Rollout.Draw(seam.Model, seam.WhileGenerating(dials, prompts.Max(p => p.Tokens.Length)), prompts, new SamplingOptions { MaxNewTokens = 5, Seed = 3 }, null, TestContext.Current.CancellationToken);
            var rows = rollout.Prompts.Zip(rollout.Responses, (p, r) => new SftExample([.. p.Tokens, .. r], p.Tokens.Length)).ToList();
            double[] sampled = rollout.SampledLogProbs.sum([1L]).Doubles(), weighed = seam.LogProbs(rows, seam.Residual(rows, seam.With(dials)), 1).Doubles();
            Assert.All(sampled.Zip(weighed), pair => Assert.Equal(pair.First, pair.Second, 1e-4));
        }
    }
}
