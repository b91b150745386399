using Parsimony.FineTuning.Analysis;
using Parsimony.Splicing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Analysis;

public sealed class LedgerTests
{
    [Theory]
    [InlineData(SpliceMode.Delta)]
    [InlineData(SpliceMode.Replace)]
    public void The_ledger_sums_to_the_change_of_the_loss_and_of_each_part(SpliceMode mode)
    {
        using var some = new SomeAnalysis(mode);
        var ledger = PathAttribution.Of(some.Seam, SomeAnalysis.Change(), some.Loss(), tolerance: 0.01);
        Assert.True(Math.Abs(ledger.Change) > 1e-3, $"{ledger.Change}");
        Assert.Equal(ledger.Change, ledger.Totals.Sum(), 0.01 * Math.Abs(ledger.Change));
        Assert.Equal((ledger.Totals.Sum() - ledger.Change) / Math.Abs(ledger.Change), ledger.Residual, 1e-9);
        Assert.Equal(["loss", "kl"], ledger.Parts.Select(p => p.Name));
        Assert.Equal(ledger.Parts[0].Shares, ledger.Totals);
        Assert.True(ledger.Parts[1].Change > 0);
        Assert.Equal(ledger.Parts[1].Change, ledger.Parts[1].Shares.Sum(), 0.05 * ledger.Parts[1].Change);
        Assert.InRange(ledger.SplitError, 0, 0.2);
    }

    [Fact]
    public void More_points_bring_the_ledger_closer()
    {
        using var some = new SomeAnalysis();
        double Missed(int most) => Math.Abs(PathAttribution.Of(some.Seam, SomeAnalysis.Change(2), some.Loss(), tolerance: 1e-9, mostSteps: most).Residual);
        Assert.True(Missed(243) < 0.002, $"{Missed(243)}");
        Assert.True(Missed(243) < Missed(9), $"{Missed(9)} {Missed(243)}");
    }

    [Fact]
    public void The_points_are_spent_only_while_they_are_needed()
    {
        using var some = new SomeAnalysis();
        int taken = 0;
        Assert.Equal(9, PathAttribution.Of(some.Seam, SomeAnalysis.Change(0.1), some.Loss(), tolerance: 0.5, each: () => taken++).Steps);
        Assert.Equal(9, taken);
        Assert.Equal(27, PathAttribution.Of(some.Seam, SomeAnalysis.Change(), some.Loss(), tolerance: 1e-12, mostSteps: 80).Steps);
    }

    [Fact]
    public void An_unchanged_feature_has_exactly_nothing_everywhere()
    {
        using var some = new SomeAnalysis();
        var (change, loss) = (SomeAnalysis.Change(), some.Loss());
        int[] rest = [.. Enumerable.Range(0, SomeAnalysis.AtRest)];
        var ledger = PathAttribution.Of(some.Seam, change, loss);
        var effects = DialEffects.Measure(some.Seam, change, SomeAnalysis.Texts());
        var statistics = FeatureStatistics.Measure(some.Seam, change, loss);
        var single = LeaveOneOut.Measure(some.Seam, change, loss, rest);
        Assert.All(rest, i => Assert.Equal((0.0, 0.0, 0.0, 0.0, 1.0, 1.0), (ledger.ByScale[i], ledger.ByShift[i], effects.Effect[i], statistics.T[i], statistics.P[i], statistics.Q[i])));
        Assert.All(rest, i => Assert.Equal([DialWord.Unchanged], effects.Words[i]));
        Assert.All(single.Features, f => Assert.Equal((0.0, 0.0), (f.LeftOut.Total, f.KeptIn.Total)));
        Assert.All(single.Features, f => Assert.All(f.LeftOut.Parts.Values.Concat(f.KeptIn.Parts.Values), part => Assert.Equal(0, part)));
        Assert.DoesNotContain(Influence.Measure(some.Seam, change, loss, rest), i => i.Pulling != 0);
        Assert.Contains(statistics.TScale[..SomeAnalysis.AtRest], t => t != 0); // it may be pulled at all the same
    }

    [Theory]
    [InlineData(SpliceMode.Delta)]
    [InlineData(SpliceMode.Replace)]
    public void The_gradients_of_the_examples_sum_to_the_gradient_of_the_batch(SpliceMode mode)
    {
        using var some = new SomeAnalysis(mode);
        using var scope = NewDisposeScope();
        var (change, loss) = (SomeAnalysis.Change(), some.Loss());
        using var each = ExampleGradients.At(some.Seam, loss, change, batchSize: 4, [0, 1], CancellationToken.None);
        double targets = SomeAnalysis.Examples().Sum(e => e.Targets);
        for (int part = 0; part < 2; part++)
        {
            var (gamma, shift) = each.Of(part);
            var (scale, moved) = some.Gradient(change, tap => loss.Score(part, [0, 1, 2, 3, 4, 5], _ => tap).sum() / targets);
            Close(scale, gamma.Doubles());
            Close(moved, shift.Doubles());
        }
        var (first, _) = some.Gradient(change, tap => loss.Score(0, [2], _ => tap).sum() / targets);
        Close(first, each.Total().Gamma[2].Doubles());
    }

    private static void Close(double[] expected, double[] actual)
    {
        double size = expected.Max(Math.Abs);
        Assert.True(size > 0);
        Assert.All(expected.Zip(actual), pair => Assert.Equal(pair.First, pair.Second, 2e-5 * size));
    }
}
