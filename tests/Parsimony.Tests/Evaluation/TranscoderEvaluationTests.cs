using Parsimony.Autoencoders;
using Parsimony.Evaluation;
using Parsimony.Models;
using Parsimony.Tokens;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Evaluation;

public sealed class TranscoderEvaluationTests
{
    private static readonly HookPoint In = new(1, HookSite.MlpIn), Out = new(1, HookSite.MlpOut);

    [Fact]
    public void An_MLP_with_a_ReLU_is_a_transcoder_and_spliced_in_changes_nothing()
    {
        using var scope = NewDisposeScope();
        string folder = Shared.Path("fixtures/neox_relu_tied");
        using var model = Transformer.Load(folder);
        using var weights = SafetensorsFile.Open(Path.Combine(folder, "model.safetensors"));
        Tensor Of(string name) => weights.Read($"gpt_neox.layers.1.mlp.{name}");
        var contexts = Some.Contexts();
        using var exact = new Transcoder(Of("dense_h_to_4h.weight").t(), Of("dense_4h_to_h.weight").t(), Of("dense_h_to_4h.bias"), Of("dense_4h_to_h.bias"));
        var report = SpliceEvaluation.Run(model, In, exact, contexts, to: Out);
        Assert.Equal(report.CeClean, report.CeSpliced, 1e-6);
        Assert.Equal(1, report.ExplainedVariance, 1e-9);
        Assert.Equal(Out, report.At);

        using var zero = new Transcoder(zeros_like(exact.WEnc), zeros_like(exact.WDec), zeros_like(exact.BEnc), zeros_like(exact.BDec));
        report = SpliceEvaluation.Run(model, In, zero, contexts, to: Out);
        Assert.Equal(report.CeZeroAblated, report.CeSpliced, 1e-9);
        using var plain = Some.Sae(model.Config.DModel);
        var ablated = SpliceEvaluation.Run(model, Out, plain, contexts);
        Assert.Equal((ablated.CeZeroAblated, ablated.CeMeanAblated), (report.CeZeroAblated, report.CeMeanAblated));
    }

    [Fact]
    public void A_transcoder_leaves_no_tensors_behind_and_must_be_told_where_it_writes()
    {
        using var outer = NewDisposeScope();
        using var model = Some.Model();
        using var transcoder = new Transcoder(Drawn.Normal(1, 16, 24), Drawn.Normal(2, 24, 16), zeros(24), zeros(16), k: 3);
        SpliceEvaluation.Run(model, In, transcoder, Some.Contexts(), to: Out);
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        SpliceEvaluation.Run(model, In, transcoder, Some.Contexts(), to: Out);
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
        Assert.Contains("Say where it writes", Assert.Throws<ArgumentException>(() => SpliceEvaluation.Run(model, In, transcoder, Some.Contexts())).Message, StringComparison.Ordinal);
        Assert.Contains("a later hook point", Assert.Throws<ArgumentException>(() => SpliceEvaluation.Run(model, Out, transcoder, Some.Contexts(), to: In)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(8)]
    public void The_batch_size_and_padding_do_not_change_the_report(int batchContexts)
    {
        using var scope = NewDisposeScope();
        using var model = Some.Model();
        using var transcoder = new Transcoder(Drawn.Normal(1, 16, 24), Drawn.Normal(2, 24, 16), zeros(24), zeros(16), Drawn.Normal(3, 16, 16) * 0.1, k: 3);
        List<int[]> contexts = [.. Some.Contexts(8), .. Some.Contexts(1, length: 5)];
        var whole = SpliceEvaluation.Run(model, In, transcoder, contexts, 100, to: Out);
        var cut = SpliceEvaluation.Run(model, In, transcoder, contexts, batchContexts, to: Out);
        ReconstructionEvaluationTests.AssertSame(whole.Reconstruction, cut.Reconstruction);
        Assert.Equal(whole.CeSpliced, cut.CeSpliced, 1e-6);
        Assert.Equal(whole.KlSpliced, cut.KlSpliced, 1e-6);
        var activations = contexts.Select(c => model.Activations([In, Out], ContextPacker.ToTensor([c]))).ToList();
        Tensor At(int hook) => cat(activations.Select(a => a[hook].squeeze(0)).ToList(), 0);
        ReconstructionEvaluationTests.AssertSame(whole.Reconstruction, ReconstructionEvaluation.Run(transcoder, At(0), At(1)));
    }
}
