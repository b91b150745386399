using Parsimony.FineTuning;
using Parsimony.FineTuning.Analysis;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tests.Splicing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Analysis;

/// <summary>Dials at two hook points, one a layer above the other.</summary>
public sealed class SeveralHooksTests
{
    private static readonly AnalysisOptions Small = new() { Features = 60, LeaveOneOut = 4, RandomControls = 1, Doses = 3, TopContexts = 3 };
    private static readonly DialChange Lower = SomeAnalysis.Change(), Upper = SomeAnalysis.SecondChange(), Change = DialChange.Joined([Lower, Upper]);

    private static AnalysisSubject Subject(DialSeam seam, DialChange change, params DialChange[] nulls) => new()
    {
        Change = change,
        Objective = new LossObjective(seam, SomeAnalysis.Examples(10)),
        Texts = SomeAnalysis.Texts(),
        LearntFrom = new LossObjective(seam, SomeAnalysis.Examples(8, seed: 9), "training loss"),
        HeldOutText = new LossObjective(seam, SomeAnalysis.Examples(4, seed: 31)),
        Nulls = nulls,
    };

    private static string Json<T>(T value) => Parsimony.Files.Json.WriteLine(value);

    [Theory]
    [InlineData(SpliceMode.Delta)]
    [InlineData(SpliceMode.Replace)]
    public void The_joint_ledger_over_all_features_sums_to_the_change_of_the_objective(SpliceMode mode)
    {
        using var some = new SomeAnalysis(mode);
        var loss = new LossObjective(some.Both, SomeAnalysis.Examples(10));
        var joint = new DialAnalyser(some.Both, Small).Together(Subject(some.Both, Change));
        double change = loss.Measure(some.Both, Change, 8, default).Total - loss.Measure(some.Both, DialChange.None(64), 8, default).Total;
        Assert.True(Math.Abs(change) > 1e-3, $"{change}");
        Assert.Equal(change, joint.Ledger.Change, 1e-12);
        Assert.Equal(change, joint.Hooks.Sum(h => h.Credit), 0.01 * Math.Abs(change));
        Assert.Equal(1, joint.Hooks.Sum(h => h.Share), 0.01);
        Assert.Equal(["blocks.1.mlp_out", "blocks.2.mlp_out"], joint.Hooks.Select(h => h.Hook));
        Assert.Equal((32, SomeAnalysis.SecondDSae), (joint.Hooks[0].Changed, joint.Hooks[1].Changed));
        Assert.All(joint.Hooks, h => Assert.Equal(h.Credit, joint.Ledger.Entries.Where(e => e.Hook == h.Hook).Sum(e => e.Credit), 1e-9));
        Assert.All(joint.Ledger.Entries.Where(e => e.Hook == "blocks.1.mlp_out"), e => Assert.InRange(e.Latent, SomeAnalysis.AtRest, 39));
        var above = joint.Ledger.Entries.Where(e => e.Hook == "blocks.2.mlp_out").Select(e => e.Latent).ToList();
        Assert.True(above.Count > 20, $"{above.Count}");                         // a latent that fires nowhere has no entry
        Assert.Equal(above.Distinct().Where(i => i < SomeAnalysis.SecondDSae), above);
        Assert.Equal(0, joint.Ledger.Rest, 1e-12);
    }

    [Fact]
    public void With_one_hook_points_dials_at_rest_the_others_analysis_is_its_single_one()
    {
        using var some = new SomeAnalysis();
        var (restBelow, restAbove) = (DialChange.None(40), DialChange.None(SomeAnalysis.SecondDSae));
        string Of(DialSeam seam, DialChange change, DialChange noise, HookPoint at) =>
            Json(new DialAnalyser(seam, Small).Analyse(Subject(seam, change, noise), at) with { Seconds = 0 });
        Assert.Equal(Of(some.Seam, Lower, Lower.Along(0.3), TinySae.At), Of(some.Both, DialChange.Joined([Lower, restAbove]), DialChange.Joined([Lower.Along(0.3), restAbove]), TinySae.At));
        Assert.Equal(Of(some.SecondAlone, Upper, Upper.Along(0.3), SomeAnalysis.Second), Of(some.Both, DialChange.Joined([restBelow, Upper]), DialChange.Joined([restBelow, Upper.Along(0.3)]), SomeAnalysis.Second));
        Assert.NotEqual(Of(some.SecondAlone, Upper, Upper.Along(0.3), SomeAnalysis.Second), Of(some.Both, Change, Change.Along(0.3), SomeAnalysis.Second));
        Assert.Equal(new DialAnalyser(some.Both, Small).Together(Subject(some.Both, DialChange.Joined([restBelow, Upper]))).Ledger.Entries.Select(e => e.Credit),
            new DialAnalyser(some.SecondAlone, Small).Analyse(Subject(some.SecondAlone, Upper)).Ledger.Entries.Select(e => e.Credit));
    }

    [Theory]
    [InlineData(SpliceMode.Delta)]
    [InlineData(SpliceMode.Replace)]
    public void Each_hook_point_is_analysed_in_the_presence_of_the_others_dials(SpliceMode mode)
    {
        using var some = new SomeAnalysis(mode);
        var subject = Subject(some.Both, Change, Change.Along(0.2));
        var analyser = new DialAnalyser(some.Both, Small);
        DialAnalysis below = analyser.Analyse(subject, TinySae.At), above = analyser.Analyse(subject, SomeAnalysis.Second);
        double At(DialChange lower, DialChange upper) => subject.Objective.Measure(some.Both, DialChange.Joined([lower, upper]), 8, default).Total;
        Assert.Equal((At(Lower.Along(0), Upper), At(Lower, Upper)), (below.Reference.Total, below.Tuned.Total));
        Assert.Equal((At(Lower, Upper.Along(0)), At(Lower, Upper)), (above.Reference.Total, above.Tuned.Total));
        Assert.Equal(("blocks.2.mlp_out", "blocks.1.mlp_out"), (below.Beside.Single(), above.Beside.Single()));
        Assert.StartsWith("With the dials at blocks.1.mlp_out as they are, the held-out loss went from", above.Sentences[0], StringComparison.Ordinal);
        var left = above.LeaveOneOut.Features[0];
        Assert.Equal(At(Lower, Upper.Without([left.Latent])) - At(Lower, Upper), left.LeftOut.Total);
        Assert.Equal(At(Lower, Upper.Along(2)), above.Doses[^1].Value.Total);
        Assert.All(new[] { below, above }, a => Assert.InRange(Math.Abs(a.Ledger.Residual), 0, 0.01));

        // What the upper SAE reads is what the lower one's dials made of it.
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var (c, d) = Lower.Tensors();
        var (cUp, dUp) = Upper.Tensors();
        var sae = some.Both.Saes[1].Sae;
        double[] moved = new double[SomeAnalysis.SecondDSae];
        foreach (var text in SomeAnalysis.Texts())
        {
            var state = some.Both.Model.RunTo(SomeAnalysis.Second, tensor(text.Tokens.Select(t => (long)t).ToArray()).unsqueeze(0), Taps.Splice(TinySae.At, some.Both.Saes[0].Sae, mode, c, d));
            var z = sae.PreActivations(state.Activation[0]);
            double[] here = ((z * cUp + dUp).relu() - z.relu()).abs().sum([0L]).Doubles();
            for (int i = 0; i < moved.Length; i++) moved[i] += here[i] / 72;
        }
        double[] norms = linalg.vector_norm(sae.WDec, dims: [1]).Doubles();
        Assert.All(above.Features, f => Assert.Equal(moved[f.Latent] * norms[f.Latent], f.Effect, 1e-5));
    }

    [Theory]
    [InlineData(SpliceMode.Delta)]
    [InlineData(SpliceMode.Replace)]
    public void The_gradients_of_the_examples_by_both_hook_points_sum_to_the_gradient_of_the_batch(SpliceMode mode)
    {
        using var some = new SomeAnalysis(mode);
        using var scope = NewDisposeScope();
        var loss = new LossObjective(some.Both, SomeAnalysis.Examples());
        using var each = ExampleGradients.At(some.Both, loss, Change, batchSize: 4, [0], CancellationToken.None);
        var (lower, upper) = (Lower.Tensors(), Upper.Tensors());
        Tensor[] dials = [lower.Scale, lower.Shift, upper.Scale, upper.Shift];
        foreach (var dial in dials) dial.requires_grad_();
        var tap = Taps.Chain(Taps.Splice(TinySae.At, some.Both.Saes[0].Sae, mode, dials[0], dials[1]), Taps.Splice(SomeAnalysis.Second, some.Both.Saes[1].Sae, mode, dials[2], dials[3]));
        var expected = Gradients.Of(loss.Score(0, [0, 1, 2, 3, 4, 5], _ => tap).sum() / SomeAnalysis.Examples().Sum(e => e.Targets), dials);
        var (gamma, shift) = each.Of(0);
        void Close(Tensor a, Tensor b, Tensor whole) => Assert.True(TinySae.Distance(cat([a, b]), whole.to(ScalarType.Float32)) < 2e-5 * a.abs().max().item<float>());
        Close(expected[0], expected[2], gamma);
        Close(expected[1], expected[3], shift);
    }

    [Fact]
    public void What_does_not_belong_together_is_refused()
    {
        using var some = new SomeAnalysis();
        var analyser = new DialAnalyser(some.Both, Small);
        Assert.Contains("say which of them to analyse", Assert.Throws<ArgumentException>(() => analyser.Analyse(Subject(some.Both, Change))).Message, StringComparison.Ordinal);
        Assert.Contains("belong together", Assert.Throws<ArgumentException>(() => analyser.Together(Subject(some.Both, Lower))).Message, StringComparison.Ordinal);
        Assert.Contains("no dials are turned at blocks.0.mlp_out", Assert.Throws<ArgumentException>(() => some.Both.Part(Change, new(0, HookSite.MlpOut))).Message, StringComparison.Ordinal);
        Assert.Contains("hook point of its own", Assert.Throws<ArgumentException>(() => new DialSeam(some.Seam.Prefixes, [some.Both.Saes[0], some.Both.Saes[0]], SpliceMode.Delta)).Message, StringComparison.Ordinal);
        using var late = new PrefixCache(some.Seam.Model, SomeAnalysis.Second, 0);
        Assert.Contains("the prefixes end at blocks.2.mlp_out", Assert.Throws<ArgumentException>(() => new DialSeam(late, some.Both.Saes, SpliceMode.Delta)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void It_leaves_no_tensors()
    {
        using var some = new SomeAnalysis();
        var (analyser, subject) = (new DialAnalyser(some.Both with { Positions = TokenPositions.Response }, Small), Subject(some.Both, Change));
        void All()
        {
            analyser.Analyse(subject, SomeAnalysis.Second);
            analyser.Together(subject);
        }
        All();
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        All();
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }
}
