using Parsimony.Autoencoders;
using Parsimony.Evaluation;
using Parsimony.Tests.Autoencoders;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Evaluation;

public sealed class DecoderReportTests
{
    [Fact]
    public void Each_row_counts_with_its_nearest_other_whatever_the_lengths()
    {
        using var scope = NewDisposeScope();
        // Directions 0, 0, 90 and 45 degrees: nearest cosines 1, 1, 0.7071, 0.7071.
        var rows = tensor(new float[,] { { 1, 0 }, { 3, 0 }, { 0, 2 }, { 1, 1 } });
        using var sae = new StandardSae(rows.t(), rows, zeros(4), zeros(2));
        var report = DecoderReport.Of(sae);
        Assert.Equal((2 + Math.Sqrt(2)) / 4, report.MaxCosineMean, 1e-6);
        Assert.Equal(1, report.MaxCosineP95, 1e-6);
        Assert.Equal(1, report.EncoderCosineMean!.Value, 1e-6);
    }

    [Fact]
    public void Blocks_of_rows_see_the_rows_of_every_other_block()
    {
        using var scope = NewDisposeScope();
        var rows = Drawn.Normal(3, 4500, 6);
        using var sae = new StandardSae(Drawn.Normal(4, 6, 4500), rows, zeros(4500), zeros(6));
        var unit = nn.functional.normalize(rows, dim: 1);
        var cosines = unit.mm(unit.t());
        cosines.diagonal().fill_(-1);
        var largest = cosines.amax([1]);
        var compared = new Compared();
        var report = DecoderReport.Of(sae, compared);
        Assert.Equal((5, DecoderReport.Pairs(4500)), (compared.Told.Count, compared.Told[^1]));
        Assert.Equal(largest.mean().item<float>(), report.MaxCosineMean, 1e-6);
        Assert.Equal(largest.quantile(tensor(0.95f)).item<float>(), report.MaxCosineP95, 1e-6);
        Assert.Equal(nn.functional.cosine_similarity(sae.WEnc.t(), rows, 1, 1e-8).mean().item<float>(), report.EncoderCosineMean!.Value, 1e-6);
    }

    [Fact]
    public void A_dead_row_of_zeros_is_near_nothing_and_one_latent_has_no_other()
    {
        using var scope = NewDisposeScope();
        var rows = tensor(new float[,] { { 0, 0 }, { 3, 0 }, { 0, 2 } });
        using var sae = new StandardSae(rows.t(), rows, zeros(3), zeros(2));
        Assert.Equal(0, DecoderReport.Of(sae).MaxCosineMean);
        using var one = new StandardSae(ones(2, 1), ones(1, 2), zeros(1), zeros(2));
        Assert.True(double.IsNaN(DecoderReport.Of(one).MaxCosineMean) && double.IsNaN(DecoderReport.Of(one).MaxCosineP95));
    }

    [Theory]
    [MemberData(nameof(ArchitectureTests.All), MemberType = typeof(ArchitectureTests))]
    public void Every_architecture_has_one_and_a_transcoder_no_cosine_of_two_spaces(string architecture)
    {
        using var sae = ArchitectureTests.Of(architecture);
        var report = DecoderReport.Of(sae);
        Assert.InRange(report.MaxCosineMean, 0, 1);
        Assert.InRange(report.MaxCosineP95, report.MaxCosineMean, 1);
        Assert.Equal(sae is Transcoder, report.EncoderCosineMean is null);
    }

    private sealed class Compared : IProgress<long>
    {
        public List<long> Told { get; } = [];

        public void Report(long value) => Told.Add(value);
    }
}
