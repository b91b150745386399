using Parsimony.FineTuning.Analysis;
using Parsimony.Splicing;
using Xunit;

namespace Parsimony.Tests.FineTuning.Analysis;

public sealed class CurveTests
{
    [Theory]
    [InlineData(SpliceMode.Delta)]
    [InlineData(SpliceMode.Replace)]
    public void To_keep_all_is_the_tuned_model_and_to_drop_all_the_reference_exactly(SpliceMode mode)
    {
        using var some = new SomeAnalysis(mode);
        var (change, loss) = (SomeAnalysis.Change(), some.Loss());
        double reference = loss.Measure(some.Seam, DialChange.None(40), 8, default).Total, tuned = loss.Measure(some.Seam, change, 8, default).Total;
        Assert.Equal(reference, loss.Combine(loss.Scores(some.Seam.Rest(), 8, default)).Total);
        var ranking = DialEffects.Measure(some.Seam, change, SomeAnalysis.Texts()).Ranking(change);
        var curves = KeepDropCurves.Measure(some.Seam, change, loss, ranking, ranking, draws: 3);
        Assert.Equal([0, 1, 2, 5, 10, 20, 32], curves.Points.Select(p => p.Features));
        Assert.Equal((reference, tuned), (curves.Points[0].Keep.Total, curves.Points[0].Drop.Total));
        Assert.Equal((tuned, reference), (curves.Points[^1].Keep.Total, curves.Points[^1].Drop.Total));
        Assert.All(curves.Points.Skip(1).SkipLast(1), p => Assert.Equal((3, 3), (p.KeepRandom.Count, p.DropRandom.Count)));
        Assert.Equal(0, curves.Points[0].Keep.Parts["kl"], 1e-6);
    }

    [Fact]
    public void Random_features_are_the_same_for_the_same_seed()
    {
        using var some = new SomeAnalysis();
        var (change, loss) = (SomeAnalysis.Change(), some.Loss());
        double[] Drawn(long seed) => [.. KeepDropCurves.Measure(some.Seam, change, loss, change.Changed, change.Changed, 2, seed).Points.SelectMany(p => p.KeepRandom)];
        Assert.Equal(Drawn(1), Drawn(1));
        Assert.NotEqual(Drawn(1), Drawn(2));
    }

    [Fact]
    public void Leaving_one_out_and_keeping_it_in_are_what_they_say()
    {
        using var some = new SomeAnalysis();
        var (change, loss) = (SomeAnalysis.Change(), some.Loss());
        double Of(DialChange c) => loss.Measure(some.Seam, c, 8, default).Total;
        var single = LeaveOneOut.Measure(some.Seam, change, loss, [20, 30]);
        Assert.Equal(Of(change.Without([20])) - Of(change), single.Features[0].LeftOut.Total);
        Assert.Equal(Of(change.Only([30])) - Of(DialChange.None(40)), single.Features[1].KeptIn.Total);
        Assert.Equal(Of(change.Only([20, 30])) - Of(DialChange.None(40)), single.Together.Total);
        Assert.Equal(single.Features.Sum(f => f.KeptIn.Total), single.SumOfKeptIn);
        Assert.NotEqual(0, single.Features[0].LeftOut.Parts["kl"]);
    }

    [Fact]
    public void The_dose_0_is_the_reference_and_1_the_tuned_model()
    {
        using var some = new SomeAnalysis();
        var (change, loss) = (SomeAnalysis.Change(), some.Loss());
        var doses = DoseResponse.Measure(some.Seam, change, loss, doses: 5);
        Assert.Equal([0, 0.5, 1, 1.5, 2], doses.Select(d => d.Alpha));
        Assert.Equal(loss.Measure(some.Seam, DialChange.None(40), 8, default).Total, doses[0].Value.Total);
        Assert.Equal(loss.Measure(some.Seam, change, 8, default).Total, doses[2].Value.Total);
    }

    [Fact]
    public void The_lorenz_curve_is_that_of_the_hand()
    {
        var curve = LorenzCurve.Of([1, 0, 6, 3]);
        Assert.Equal([0, 1, 2, 3, 4], curve.Features);
        Assert.Equal([0, 0.6, 0.9, 1, 1], curve.Share);
        Assert.Equal((1, 2), (curve.HalfAt, curve.NineTenthsAt));
        Assert.Equal((0.6, 1.0), (curve.Top[1], curve.Top[10]));
        Assert.Equal(0.5, curve.Gini, 1e-12);                                    // sum |x_i - x_j| / (2 n² mean) = 40 / (2 * 16 * 2.5)
        Assert.Equal(0, LorenzCurve.Of([2, 2, 2]).Gini, 1e-12);
        Assert.Equal((0.0, 0), (LorenzCurve.Of([0, 0]).Gini, LorenzCurve.Of([0, 0]).HalfAt));
        var large = LorenzCurve.Of([.. Enumerable.Range(1, 5000).Select(i => (double)i)]);
        Assert.Equal((201, 5000, 1.0), (large.Features.Length, large.Features[^1], large.Share[^1]));
        Assert.Equal(1.0 / 3, large.Gini, 1e-3);
    }

    [Fact]
    public void A_method_is_dominated_by_one_that_costs_no_more_and_gains_no_less()
    {
        var points = Pareto.Of([new("a", 1, 1), new("b", 2, 3), new("c", 2, 2), new("d", 1, 1), new("e", 0.5, 0.5)]);
        Assert.Equal(["c"], points.Where(p => p.Dominated).Select(p => p.Name));
        Assert.Throws<ArgumentException>(() => Pareto.Of([new("a", double.NaN, 1)]));
    }
}
