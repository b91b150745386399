using Parsimony.Evaluation;
using Xunit;

namespace Parsimony.Tests.Evaluation;

public sealed class SparsityReportTests
{
    private readonly SparsityReport report = SparsityReport.FromCounts([0, 1, 10, 100, 101, 1000, 0], 1000);

    [Fact]
    public void Densities_dead_dense_and_L0_follow_from_the_counts()
    {
        Assert.Equal([0, 0.001, 0.01, 0.1, 0.101, 1, 0], report.Density);
        Assert.Equal(2, report.Dead);
        Assert.Equal(2.0 / 7, report.DeadFraction);
        Assert.Equal(2, report.Dense); // a density of exactly 0.1 is not dense
        Assert.Equal(1.212, report.L0, 1e-12);
    }

    [Fact]
    public void The_histogram_holds_every_live_latent_once_at_its_log10_density()
    {
        Assert.Equal(13, report.Log10BinEdges.Length);
        Assert.Equal((-3.0, -2.75, 0.0), (report.Log10BinEdges[0], report.Log10BinEdges[1], report.Log10BinEdges[^1]));
        Assert.Equal([1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 1], report.BinCounts);
    }

    [Fact]
    public void One_token_is_enough_and_none_is_refused()
    {
        Assert.Equal([0, 0, 0, 1], SparsityReport.FromCounts([1], 1).BinCounts);
        Assert.Throws<ArgumentOutOfRangeException>(() => SparsityReport.FromCounts([1], 0));
    }
}
