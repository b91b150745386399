using System.Text.Json;
using Parsimony.Autoencoders;
using Parsimony.Evaluation;
using Parsimony.FineTuning;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tests.Splicing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Evaluation;

public sealed class SpliceEvaluationTests
{
    [Fact]
    public void The_peers_losses_sparsity_and_variance_are_reproduced()
    {
        using var scope = NewDisposeScope();
        using var model = ReferenceSae.Model();
        using var sae = ReferenceSae.Load();
        using var tensors = SafetensorsFile.Open(Shared.Path("fixtures/eval/eval.safetensors"));
        using var expected = JsonDocument.Parse(File.ReadAllText(Shared.Path("fixtures/eval/eval.json")));
        var contexts = ReferenceSae.Rows(tensors.Read("tokens"));
        var ce = expected.RootElement.GetProperty("ce");
        foreach (var layer in ce.GetProperty("per_layer_of_insertion").EnumerateObject())
        {
            double Number(string name) => layer.Value.GetProperty(name).GetDouble();
            var report = SpliceEvaluation.Run(model, new HookPoint(int.Parse(layer.Name), HookSite.MlpOut), sae, contexts);
            Assert.Equal(ce.GetProperty("base_loss").GetDouble(), report.CeClean, 1e-5);
            Assert.Equal(Number("loss_sae"), report.CeSpliced, 1e-5);
            Assert.Equal(Number("loss_zero"), report.CeZeroAblated, 1e-5);
            Assert.Equal(Number("loss_mean"), report.CeMeanAblated, 1e-5);
            Assert.Equal(Number("recovered_vs_zero"), report.CeLossRecovered, 1e-4);
            Assert.Equal(Number("recovered_vs_mean"), report.CeLossRecoveredFromMean, 1e-4);
            Assert.Equal(report.CeClean, report.CeSplicedDelta);
        }

        var own = SpliceEvaluation.Run(model, ReferenceSae.At, sae, contexts);
        var peers = expected.RootElement;
        Assert.Equal(1 - peers.GetProperty("fvu").GetProperty("residual_uncentred_float64").GetDouble(), own.ExplainedVariance, 1e-6);
        Assert.Equal(peers.GetProperty("SAELens_train_metrics").GetProperty("explained_variance").GetDouble(), own.ExplainedVariance, 1e-6);
        var (theirs, reconstruction) = (peers.GetProperty("dictionary_learning.evaluate"), own.Reconstruction);
        double Theirs(string name) => theirs.GetProperty(name).GetDouble();
        Assert.Equal(Theirs("l0"), own.L0, 1e-6);
        Assert.Equal(Theirs("l1_loss"), reconstruction.L1, 2e-5);
        Assert.Equal(Theirs("cossim"), reconstruction.Cosine, 1e-6);
        Assert.Equal(Theirs("l2_ratio"), reconstruction.L2Ratio, 1e-6);
        Assert.Equal(Theirs("relative_reconstruction_bias"), reconstruction.RelativeReconstructionBias, 1e-6);
        Assert.Equal(Theirs("frac_alive"), 1 - own.DeadFraction);
        Assert.Equal(peers.GetProperty("fvu").GetProperty("residual_uncentred_float64").GetDouble(), reconstruction.Fvu, 1e-6);
        Assert.Equal(peers.GetProperty("SAELens_train_metrics").GetProperty("explained_variance_legacy").GetDouble(),
            reconstruction.ExplainedVarianceLegacy, 1e-6);
        Assert.Equal(0, own.DeadFraction);
        Assert.Equal(4 * 48, own.TokensSeen);
        Assert.Equal(256, own.DSae);
        float[] density = tensors.Read("feature_density").data<float>().ToArray();
        for (int i = 0; i < density.Length; i++) Assert.Equal(density[i], own.Sparsity.Density[i], 1e-6);
    }

    [Fact]
    public void The_layer_sweep_gives_the_losses_of_each_layer_on_its_own()
    {
        using var model = Some.Model();
        using var sae = TinySae.Random();
        var contexts = Some.Contexts(5);
        var sweep = LayerSweep.Run(model, HookSite.MlpOut, sae, contexts, batchContexts: 2);
        Assert.Equal(3, sweep.Count);
        foreach (var layer in sweep)
        {
            var report = SpliceEvaluation.Run(model, new HookPoint(layer.Layer, HookSite.MlpOut), sae, contexts);
            Assert.Equal(report.CeSpliced, layer.CeSpliced, 1e-6);
            Assert.Equal(report.CeZeroAblated, layer.CeZeroAblated, 1e-6);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(8)]
    public void The_batch_size_does_not_change_the_report(int batchContexts)
    {
        using var model = Some.Model();
        using var sae = TinySae.Random();
        List<int[]> contexts = [.. Some.Contexts(9), .. Some.Contexts(1, length: 5), .. Some.Contexts(1, length: 2)];
        var whole = SpliceEvaluation.Run(model, TinySae.At, sae, contexts, 100);
        var cut = SpliceEvaluation.Run(model, TinySae.At, sae, contexts, batchContexts);
        Assert.Equal(whole.CeClean, cut.CeClean, 1e-6);
        Assert.Equal(whole.CeSpliced, cut.CeSpliced, 1e-6);
        Assert.Equal(whole.CeMeanAblated, cut.CeMeanAblated, 1e-6);
        Assert.Equal(whole.KlSpliced, cut.KlSpliced, 1e-6);
        Assert.Equal(whole.KlScore, cut.KlScore, 1e-6);
        ReconstructionEvaluationTests.AssertSame(whole.Reconstruction, cut.Reconstruction);
        Assert.Equal(whole.Sparsity.Density, cut.Sparsity.Density);
    }

    [Fact]
    public void Padding_behind_a_short_context_counts_nowhere()
    {
        using var model = Some.Model();
        using var sae = TinySae.Random();
        List<int[]> contexts = [.. Some.Contexts(2), .. Some.Contexts(1, length: 5, seed: 9)];
        var together = SpliceEvaluation.Run(model, TinySae.At, sae, contexts);
        var parts = contexts.Select(c => (Report: SpliceEvaluation.Run(model, TinySae.At, sae, [c]), Predictions: c.Length - 1)).ToList();
        double Mean(Func<SpliceReport, double> of) => parts.Sum(p => of(p.Report) * p.Predictions) / parts.Sum(p => p.Predictions);
        Assert.Equal(Mean(r => r.CeSpliced), together.CeSpliced, 1e-6);
        Assert.Equal(Mean(r => r.KlZeroAblated), together.KlZeroAblated, 1e-6);
        Assert.Equal(parts.Sum(p => p.Report.L0 * p.Report.TokensSeen) / 29, together.L0, 1e-9);
        Assert.Equal(29, together.TokensSeen);
        var sweep = LayerSweep.Run(model, HookSite.MlpOut, sae, contexts);
        Assert.Equal(together.CeSpliced, sweep[1].CeSpliced, 1e-6);
    }

    [Fact]
    public void The_divergence_is_that_of_the_whole_distributions()
    {
        using var scope = NewDisposeScope();
        using var model = Some.Model();
        using var sae = TinySae.Random();
        var contexts = Some.Contexts(3);
        var report = SpliceEvaluation.Run(model, TinySae.At, sae, contexts, 2);
        var tokens = tensor(contexts.SelectMany(c => c).Select(id => (long)id).ToArray(), [3, 12]);
        double Kl(Tap tap)
        {
            var (p, q) = (P(null), P(tap));
            return (p * (p / q).log()).sum(-1).mean().item<double>();
        }
        Tensor P(Tap? tap) => nn.functional.softmax(model.Forward(tokens, tap).narrow(1, 0, 11).to(ScalarType.Float64), -1);
        Assert.Equal(Kl(Taps.Splice(TinySae.At, sae)), report.KlSpliced, 1e-5);
        Assert.Equal(Kl(Taps.ZeroAblate(TinySae.At)), report.KlZeroAblated, 1e-5);
        Assert.Equal(1 - report.KlSpliced / report.KlZeroAblated, report.KlScore, 1e-12);
        Assert.Equal(0, report.KlSplicedDelta);
    }

    [Fact]
    public void Memory_for_prefixes_does_not_change_the_report()
    {
        using var model = Some.Model();
        using var sae = TinySae.Random();
        var contexts = Some.Contexts(5);
        var kept = SpliceEvaluation.Run(model, TinySae.At, sae, contexts, 2);
        var recomputed = SpliceEvaluation.Run(model, TinySae.At, sae, contexts, 2, prefixCacheBytes: 0);
        Assert.Equal((kept.CeClean, kept.CeSpliced, kept.CeZeroAblated, kept.CeMeanAblated, kept.ExplainedVariance),
            (recomputed.CeClean, recomputed.CeSpliced, recomputed.CeZeroAblated, recomputed.CeMeanAblated, recomputed.ExplainedVariance));
    }

    [Fact]
    public void An_exact_sae_recovers_everything()
    {
        using var model = Some.Model();
        using var exact = TinySae.Exact();
        var report = SpliceEvaluation.Run(model, TinySae.At, exact, Some.Contexts(3));
        Assert.Equal(report.CeClean, report.CeSpliced);
        Assert.Equal(1, report.CeLossRecovered);
        Assert.Equal(1, report.ExplainedVariance);
        Assert.Equal((0, 1), (report.KlSpliced, report.KlScore));
        Assert.Equal(1, report.Reconstruction.ExplainedVarianceLegacy);
        Assert.NotEqual(report.CeClean, report.CeZeroAblated);
        Assert.Equal(TinySae.DModel, report.L0, 1e-9); // of each pair relu(x), relu(-x) one fires
    }

    [Fact]
    public void With_dials_the_figures_are_those_of_the_merged_sae()
    {
        using var scope = NewDisposeScope();
        using var model = Some.Model();
        using var sae = TinySae.Random();
        using var dials = FeatureDials.Of(TinySae.At, randn(TinySae.DSae), randn(TinySae.DSae) * 0.1);
        using var merged = DialMerge.Into(sae, dials);
        var contexts = Some.Contexts(3);
        var dialled = SpliceEvaluation.Run(model, TinySae.At, sae, contexts, scale: dials.Scale(), shift: dials.Shift());
        var plain = SpliceEvaluation.Run(model, TinySae.At, merged, contexts);
        Assert.Equal(plain.CeSpliced, dialled.CeSpliced, 1e-5);
        Assert.Equal(plain.L0, dialled.L0, 1e-2);
        Assert.Equal(plain.ExplainedVariance, dialled.ExplainedVariance, 1e-4);
        Assert.NotEqual(dialled.CeClean, dialled.CeSplicedDelta);
    }

    [Fact]
    public void Progress_counts_the_tokens_of_each_stage()
    {
        using var model = Some.Model();
        using var sae = TinySae.Random();
        var told = new Told();
        SpliceEvaluation.Run(model, TinySae.At, sae, Some.Contexts(3), 2, progress: told);
        Assert.Equal(
            [new("activations", 24, 36), new("activations", 36, 36), new("losses", 24, 36), new EvaluationProgress("losses", 36, 36)],
            told.Reports);
    }

    [Fact]
    public void A_cancelled_evaluation_stops()
    {
        using var model = Some.Model();
        using var sae = TinySae.Random();
        using var source = new CancellationTokenSource();
        source.Cancel();
        Assert.Throws<OperationCanceledException>(
            () => SpliceEvaluation.Run(model, TinySae.At, sae, Some.Contexts(3), cancellation: source.Token));
    }

    [Fact]
    public void What_cannot_be_evaluated_is_named()
    {
        using var model = Some.Model();
        using var sae = TinySae.Random();
        using var narrow = TinySae.Random(dModel: 8);
        var contexts = Some.Contexts(2);
        string Refusal(HookPoint at, ISparseAutoencoder s, IReadOnlyList<int[]> c) =>
            Assert.Throws<ArgumentException>(() => SpliceEvaluation.Run(model, at, s, c)).Message;
        Assert.Contains("reads activations of width 8; blocks.1.mlp_out of this model has width 16", Refusal(TinySae.At, narrow, contexts),
            StringComparison.Ordinal);
        Assert.Contains("layers 0 to 2", Refusal(new HookPoint(3, HookSite.MlpOut), sae, contexts), StringComparison.Ordinal);
        Assert.Contains("shorter than one context", Refusal(TinySae.At, sae, []), StringComparison.Ordinal);
        Assert.Contains("a context has 1 tokens; expected 2 or more", Refusal(TinySae.At, sae, [.. contexts, new int[1]]), StringComparison.Ordinal);
        using var transcoder = new Transcoder(sae.WEnc, sae.WDec, sae.BEnc, sae.BDec);
        Assert.Contains("a transcoder reads one hook point and writes another", Refusal(TinySae.At, transcoder, contexts), StringComparison.Ordinal);
    }

    [Fact]
    public void An_evaluation_leaves_no_tensor_behind()
    {
        using var model = Some.Model();
        using var sae = TinySae.Random();
        var contexts = Some.Contexts(3);
        void Once()
        {
            SpliceEvaluation.Run(model, TinySae.At, sae, contexts, 2);
            LayerSweep.Run(model, HookSite.MlpOut, sae, contexts, 2);
        }
        Once();
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        Once();
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    private sealed class Told : IProgress<EvaluationProgress>
    {
        public List<EvaluationProgress> Reports { get; } = [];

        public void Report(EvaluationProgress value) => Reports.Add(value);
    }
}
