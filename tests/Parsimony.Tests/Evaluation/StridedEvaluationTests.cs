using Parsimony.Autoencoders;
using Parsimony.Evaluation;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tests.Splicing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Evaluation;

/// <summary>The strided protocol against a computation of one token at a time.</summary>
public sealed class StridedEvaluationTests : IDisposable
{
    private readonly Transformer model = Some.Model();
    private readonly StandardSae sae = TinySae.Random();
    private readonly int[] text = Some.Contexts(1, length: 53)[0];

    public void Dispose()
    {
        sae.Dispose();
        model.Dispose();
    }

    [Theory]
    [InlineData(16, 5, 3)] // a last window that is shorter
    [InlineData(16, 15, 2)]
    [InlineData(12, 1, 4)]
    [InlineData(64, 20, 1)] // one window, the whole text
    public void Losses_divergences_and_reconstruction_are_those_of_each_token_alone(int length, int stride, int batch)
    {
        var report = SpliceEvaluation.Run(model, TinySae.At, sae, EvaluationWindows.Strided(text, length, stride), batch);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var x = cat(Enumerable.Range(0, text.Length).Select(t => model.Activations(TinySae.At, Context(t, length, stride)).narrow(1, -1, 1)).ToList(), 1).squeeze(0); // [53, d_model]
        var mean = x.to(ScalarType.Float64).mean([0L]).to(ScalarType.Float32);
        Tap?[] taps = [null, Taps.Splice(TinySae.At, sae), Taps.ZeroAblate(TinySae.At), Taps.MeanAblate(TinySae.At, mean)];
        var (ce, kl) = (new double[4], new double[4]);
        for (int t = 1; t < text.Length; t++)
        {
            Tensor? plain = null;
            for (int i = 0; i < taps.Length; i++)
            {
                // The window of token t without t itself and what comes after it: what the model knows when it predicts t.
                var known = Context(t, length, stride);
                var logP = nn.functional.log_softmax(model.Forward(known.narrow(1, 0, known.size(1) - 1), taps[i])[0, -1].to(ScalarType.Float64), -1);
                plain ??= logP;
                ce[i] -= logP[text[t]].item<double>() / (text.Length - 1);
                kl[i] += (plain.exp() * (plain - logP)).sum().item<double>() / (text.Length - 1);
            }
        }
        Assert.Equal(text.Length - 1, report.Predictions);
        Assert.Equal(ce, [report.CeClean, report.CeSpliced, report.CeZeroAblated, report.CeMeanAblated], Close);
        Assert.Equal(kl, [0, report.KlSpliced, report.KlZeroAblated, report.KlMeanAblated], Close);
        Assert.Equal(Math.Exp(ce[0]), report.PerplexityClean, 1e-4);
        Assert.Equal(text.Length, report.TokensSeen);
        var alone = ReconstructionEvaluation.Run(sae, x);
        Assert.Equal(alone.ExplainedVariance, report.ExplainedVariance, 1e-6);
        Assert.Equal(alone.ExplainedVarianceLegacy, report.Reconstruction.ExplainedVarianceLegacy, 1e-6);
        Assert.Equal(alone.Mse, report.Reconstruction.Mse, 1e-5);
        Assert.Equal(alone.Sparsity.Density, report.Sparsity.Density);
    }

    [Fact]
    public void A_stride_of_one_gives_each_token_its_full_context()
    {
        using var scope = NewDisposeScope();
        const int length = 12;
        var report = SpliceEvaluation.Run(model, TinySae.At, sae, EvaluationWindows.Strided(text, length, 1));
        double nats = 0;
        for (int t = 1; t < text.Length; t++)
        {
            var known = Ids(Math.Max(0, t - length + 1), t); // as much as a window holds besides t
            nats -= nn.functional.log_softmax(model.Forward(known)[0, -1].to(ScalarType.Float64), -1)[text[t]].item<double>();
        }
        Assert.Equal(nats / (text.Length - 1), report.CeClean, 1e-6);
    }

    [Fact]
    public void Without_overlap_whole_windows_have_the_bits_of_the_articles_protocol()
    {
        int[][] contexts = [text[..13], text[13..26], text[26..39], text[39..52]];
        var article = SpliceEvaluation.Run(model, TinySae.At, sae, contexts, 3);
        var strided = SpliceEvaluation.Run(model, TinySae.At, sae, EvaluationWindows.Strided(text[..52], 13, 13), 3);
        Assert.Equal(Figures(article), Figures(strided));
        Assert.Equal(4 * 12, strided.Predictions);
        Assert.Equal(LayerSweep.Run(model, HookSite.MlpOut, sae, contexts, 3), LayerSweep.Run(model, HookSite.MlpOut, sae, EvaluationWindows.Strided(text[..52], 13, 13), 3));
    }

    [Fact]
    public void A_layer_sweep_has_the_losses_of_each_insertion_alone()
    {
        var windows = EvaluationWindows.Strided(text, 16, 5);
        foreach (var layer in LayerSweep.Run(model, HookSite.MlpOut, sae, windows, 2))
        {
            var alone = SpliceEvaluation.Run(model, new HookPoint(layer.Layer, HookSite.MlpOut), sae, windows, 2);
            Assert.Equal(alone.CeSpliced, layer.CeSpliced, 1e-6);
            Assert.Equal(alone.CeZeroAblated, layer.CeZeroAblated, 1e-6);
        }
    }

    [Fact]
    public void Batch_and_prefix_memory_change_nothing()
    {
        var windows = EvaluationWindows.Strided(text, 16, 5);
        var whole = SpliceEvaluation.Run(model, TinySae.At, sae, windows, 100);
        var cut = SpliceEvaluation.Run(model, TinySae.At, sae, windows, 1);
        Assert.Equal(whole.CeSpliced, cut.CeSpliced, 1e-6);
        Assert.Equal(whole.KlMeanAblated, cut.KlMeanAblated, 1e-6);
        ReconstructionEvaluationTests.AssertSame(whole.Reconstruction, cut.Reconstruction);
        Assert.Equal(Figures(whole), Figures(SpliceEvaluation.Run(model, TinySae.At, sae, windows, 100, prefixCacheBytes: 0)));
    }

    /// <summary>What of the text the window holds in which token t counts, up to t: by the definition, not by the code under test.</summary>
    private Tensor Context(int t, int length, int stride)
    {
        int first = t < length ? 0 : (t - length + stride) / stride * stride; // the first window that reaches t
        return Ids(first, t + 1);
    }

    private Tensor Ids(int from, int to) => tensor(text[from..to].Select(id => (long)id).ToArray(), [1, to - from]);

    private static bool Close(double a, double b) => Math.Abs(a - b) < 1e-6;

    internal static (double, double, double, double, double, double, double, double, double, double) Figures(SpliceReport r) =>
        (r.CeClean, r.CeSpliced, r.CeZeroAblated, r.CeMeanAblated, r.KlSpliced, r.KlZeroAblated, r.KlMeanAblated, r.ExplainedVariance,
            r.Reconstruction.ExplainedVarianceLegacy, r.Reconstruction.Cosine + r.Reconstruction.L2Ratio + r.Reconstruction.RelativeReconstructionBias + r.L0 + r.Reconstruction.L1);
}
