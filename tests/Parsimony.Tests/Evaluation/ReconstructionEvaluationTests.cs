using Parsimony.Autoencoders;
using Parsimony.Evaluation;
using Parsimony.Tests.Autoencoders;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Evaluation;

public sealed class ReconstructionEvaluationTests
{
    public static TheoryData<string> All => ArchitectureTests.All;

    /// <summary>Two reports of the same tokens; they differ by rounding at most.</summary>
    internal static void AssertSame(ReconstructionReport a, ReconstructionReport b)
    {
        Assert.Equal(a.Sparsity.Density, b.Sparsity.Density);
        Assert.Equal(a.TokensSeen, b.TokensSeen);
        double[] Numbers(ReconstructionReport r) =>
            [r.Mse, r.ExplainedVariance, r.Fvu, r.ExplainedVarianceLegacy, r.Cosine, r.L2Ratio, r.RelativeReconstructionBias, r.L1, r.L0];
        foreach (var (x, y) in Numbers(a).Zip(Numbers(b))) Assert.Equal(x, y, 1e-6 * Math.Max(1, Math.Abs(x)));
    }

    [Theory]
    [MemberData(nameof(All))]
    public void No_figure_depends_on_the_batch_size_whatever_the_architecture(string architecture)
    {
        using var scope = NewDisposeScope();
        using var sae = ArchitectureTests.Of(architecture);
        Tensor x = Drawn.Normal(1, 29, sae.DModel) + 1, target = Drawn.Normal(2, 29, sae.DOut) * 2;
        var whole = ReconstructionEvaluation.Run(sae, x, target);
        foreach (int batch in (int[])[1, 3, 8]) AssertSame(whole, ReconstructionEvaluation.Run(sae, x, target, batch));
        Assert.Equal(29, whole.TokensSeen);
        var f = sae.Encode(x);
        var residual = target - sae.Reconstruct(x);
        Assert.Equal(residual.square().sum(1).mean().item<float>(), whole.Mse, 1e-5 * whole.Mse);
        Assert.Equal(f.sum(1).mean().item<float>(), whole.L1, 1e-4);
        Assert.Equal(f.count_nonzero().item<long>() / 29.0, whole.L0, 1e-9);
        Assert.Equal(nn.functional.cosine_similarity(target, sae.Reconstruct(x), 1, 1e-12).mean().item<float>(), whole.Cosine, 1e-6);
    }

    [Fact]
    public void The_worked_example_gives_0_8()
    {
        using var scope = NewDisposeScope();
        // xHat = (2, 1), (0, 3) for x = (2, 0), (0, 4); the mean is (1, 2), so both tokens lie sqrt 5 from it.
        var report = Fixed(new float[,] { { 2, 0 }, { 0, 4 } }, new float[,] { { 2, 1 }, { 0, 3 } });
        Assert.Equal(0.8, report.ExplainedVariance, 1e-12);
        Assert.Equal(0.2, report.Fvu, 1e-12);
        Assert.Equal(0.8, report.ExplainedVarianceLegacy, 1e-12);
        Assert.Equal(1, report.Mse, 1e-12);
        Assert.Equal((2 / Math.Sqrt(5) + 1) / 2, report.Cosine, 1e-12);
        Assert.Equal((Math.Sqrt(5) / 2 + 0.75) / 2, report.L2Ratio, 1e-12);
        Assert.Equal((5.0 + 9) / (4 + 12), report.RelativeReconstructionBias, 1e-12);
    }

    [Fact]
    public void The_mean_of_ratios_is_another_number_than_the_explained_variance()
    {
        using var scope = NewDisposeScope();
        // Deviations 16, 1, 25 from the mean -1 + 0; residuals 0, 1, 0.
        var report = Fixed(new float[,] { { 3, 0 }, { 0, 0 }, { -6, 0 } }, new float[,] { { 3, 0 }, { 1, 0 }, { -6, 0 } });
        Assert.Equal(1 - 1.0 / 42, report.ExplainedVariance, 1e-12);
        Assert.Equal(2.0 / 3, report.ExplainedVarianceLegacy, 1e-12);
        Assert.Equal(1, report.Cosine, 1e-12); // the token at zero has no direction
    }

    [Fact]
    public void Perfect_is_one_and_the_mean_is_zero()
    {
        using var scope = NewDisposeScope();
        using var exact = Splicing.TinySae.Exact();
        var x = Drawn.Normal(4, 64, Splicing.TinySae.DModel) + 0.5;
        var perfect = ReconstructionEvaluation.Run(exact, x);
        Assert.Equal((1, 0, 1, 1), (perfect.ExplainedVariance, perfect.Mse, perfect.ExplainedVarianceLegacy, perfect.RelativeReconstructionBias));
        Assert.Equal(1, perfect.Cosine, 1e-12);
        Assert.Equal(1, perfect.L2Ratio, 1e-12);
        using var constant = new StandardSae(zeros(16, 3), zeros(3, 16), zeros(3), x.mean([0]));
        var mean = ReconstructionEvaluation.Run(constant, x);
        Assert.Equal(0, mean.ExplainedVariance, 1e-6);
        Assert.Equal(0, mean.ExplainedVarianceLegacy, 1e-5);
        Assert.Equal((1, 0, 0), (mean.Sparsity.DeadFraction, mean.L0, mean.L1));
    }

    [Fact]
    public void What_never_varies_or_is_never_reconstructed_is_not_a_number()
    {
        using var scope = NewDisposeScope();
        var still = Fixed(new float[,] { { 0.1f, 3 }, { 0.1f, 3 }, { 0.1f, 3 } }, new float[,] { { 0, 3 }, { 0, 3 }, { 0, 3 } });
        Assert.True(double.IsNaN(still.ExplainedVariance) && double.IsNaN(still.ExplainedVarianceLegacy));
        var none = Fixed(new float[,] { { 1, 2 }, { 3, 4 } }, new float[,] { { 0, 0 }, { 0, 0 } });
        Assert.Equal((0, 0), (none.Cosine, none.L2Ratio));
        Assert.True(double.IsNaN(none.RelativeReconstructionBias));
    }

    [Fact]
    public void A_transcoder_without_a_target_and_widths_that_do_not_fit_are_refused()
    {
        using var scope = NewDisposeScope();
        using var transcoder = ArchitectureTests.Of("transcoder");
        using var sae = ArchitectureTests.Of("standard");
        string Refusal(ISparseAutoencoder of, Tensor x, Tensor? target = null) =>
            Assert.Throws<ArgumentException>(() => ReconstructionEvaluation.Run(of, x, target)).Message;
        Assert.Contains("give the other one as target", Refusal(transcoder, zeros(2, 6)));
        Assert.Contains("expected [.., 6] and [.., 6] of the same tokens", Refusal(sae, zeros(2, 5)));
        Assert.Contains("input has shape [2, 6] and target [3, 9]", Refusal(transcoder, zeros(2, 6), zeros(3, 9)));
    }

    [Fact]
    public void No_tensor_is_left_behind()
    {
        using var sae = ArchitectureTests.Of("gated");
        using var x = Drawn.Normal(1, 9, sae.DModel);
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        ReconstructionEvaluation.Run(sae, x, batchTokens: 4);
        DecoderReport.Of(sae);
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    /// <summary>The report of given activations and reconstructions: a skip transcoder that hands its input through.</summary>
    private static ReconstructionReport Fixed(float[,] x, float[,] xHat)
    {
        using var through = new Transcoder(zeros(2, 1), zeros(1, 2), zeros(1), zeros(2), eye(2));
        return ReconstructionEvaluation.Run(through, tensor(xHat), tensor(x));
    }
}
