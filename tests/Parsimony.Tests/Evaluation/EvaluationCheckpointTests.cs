using Parsimony.Autoencoders;
using Parsimony.Evaluation;
using Parsimony.Models;
using Parsimony.Tests.Splicing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Evaluation;

public sealed class EvaluationCheckpointTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly Transformer model = Some.Model();
    private readonly StandardSae sae = TinySae.Random();
    private readonly EvaluationWindows windows = EvaluationWindows.Strided(Some.Contexts(1, length: 53)[0], 16, 5); // 9 windows
    private readonly string file;

    public EvaluationCheckpointTests() => file = folder.File("evaluation.safetensors");

    public void Dispose()
    {
        sae.Dispose();
        model.Dispose();
        folder.Dispose();
    }

    [Fact]
    public void An_evaluation_interrupted_after_any_batch_and_gone_on_with_has_the_bits_of_one_that_was_not()
    {
        var whole = SpliceEvaluation.Run(model, TinySae.At, sae, windows, 2);
        for (int batches = 0; batches <= 10; batches++) // of 5 in each of the two passes
        {
            Interrupt(batches, (checkpoint, progress, cancellation) => SpliceEvaluation.Run(model, TinySae.At, sae, windows, 2, checkpoint: checkpoint, progress: progress, cancellation: cancellation));
            var checkpoint = Open();
            Assert.Equal(Tokens(Math.Min(batches, 5)) + Tokens(Math.Max(batches - 5, 0)), checkpoint.TokensBefore);
            var done = new List<long>();
            var report = SpliceEvaluation.Run(model, TinySae.At, sae, windows, 2, checkpoint: checkpoint, progress: new Told(p => done.Add(p.TokensDone)));
            Assert.Equal(10 - batches, done.Count);
            Assert.Equal(StridedEvaluationTests.Figures(whole), StridedEvaluationTests.Figures(report));
            Assert.Equal(whole.Sparsity.Density, report.Sparsity.Density);
            Assert.Equal(whole.Predictions, report.Predictions);
            File.Delete(file);
        }
    }

    [Fact]
    public void So_has_a_layer_sweep()
    {
        var whole = LayerSweep.Run(model, HookSite.MlpOut, sae, windows, 2);
        for (int batches = 0; batches <= 5; batches++)
        {
            Interrupt(batches, (checkpoint, progress, cancellation) => LayerSweep.Run(model, HookSite.MlpOut, sae, windows, 2, checkpoint, progress, cancellation));
            Assert.Equal(whole, LayerSweep.Run(model, HookSite.MlpOut, sae, windows, 2, Open()));
            File.Delete(file);
        }
    }

    [Fact]
    public void What_was_saved_before_a_kill_is_enough()
    {
        var whole = SpliceEvaluation.Run(model, TinySae.At, sae, windows, 2);
        for (int batches = 1; batches <= 9; batches++)
        {
            int left = batches;
            // Nothing is saved at the end of a process that is killed; an exception out of the progress is as sudden.
            Assert.Throws<InvalidOperationException>(() => SpliceEvaluation.Run(model, TinySae.At, sae, windows, 2, checkpoint: Open(TimeSpan.Zero),
                progress: new Told(_ => { if (left-- == 0) throw new InvalidOperationException("killed"); })));
            var checkpoint = Open();
            Assert.True(checkpoint.TokensBefore > 0);
            Assert.Equal(StridedEvaluationTests.Figures(whole), StridedEvaluationTests.Figures(SpliceEvaluation.Run(model, TinySae.At, sae, windows, 2, checkpoint: checkpoint)));
            File.Delete(file);
        }
    }

    [Fact]
    public void That_of_another_evaluation_is_not_gone_on_with_and_gives_way()
    {
        Interrupt(3, (checkpoint, progress, cancellation) => SpliceEvaluation.Run(model, TinySae.At, sae, windows, 2, checkpoint: checkpoint, progress: progress, cancellation: cancellation));
        var other = new EvaluationCheckpoint(file, "another", TimeSpan.Zero);
        Assert.Equal((true, 0), (other.IsOfAnother, other.TokensBefore));
        var done = new List<long>();
        SpliceEvaluation.Run(model, TinySae.At, sae, windows, 2, checkpoint: other, progress: new Told(p => done.Add(p.TokensDone)));
        Assert.Equal(10, done.Count);
        Assert.True(Open().IsOfAnother);
    }

    [Fact]
    public void A_file_that_is_none_is_refused()
    {
        using (var tensor = ones(3)) SafetensorsFile.Write(file, [KeyValuePair.Create("x", tensor)]);
        Assert.Contains("is not a checkpoint of an evaluation", Assert.Throws<InvalidDataException>(() => Open()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Saving_and_going_on_leave_no_tensor_behind()
    {
        void Once()
        {
            SpliceEvaluation.Run(model, TinySae.At, sae, windows, 2, checkpoint: Open(TimeSpan.Zero));
            SpliceEvaluation.Run(model, TinySae.At, sae, windows, 2, checkpoint: Open());
        }
        Once();
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        Once();
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    private EvaluationCheckpoint Open(TimeSpan? every = null) => new(file, "this one", every);

    private long Tokens(int batches) => windows.Take(2 * batches).Sum(w => (long)w.New);

    /// <summary>Runs until so many batches are done, and is cancelled then.</summary>
    private void Interrupt(int batches, Action<EvaluationCheckpoint, IProgress<EvaluationProgress>, CancellationToken> run)
    {
        using var stop = new CancellationTokenSource();
        if (batches == 0) stop.Cancel();
        try
        {
            run(Open(), new Told(_ =>
            {
                if (--batches == 0) stop.Cancel();
            }), stop.Token);
        }
        catch (OperationCanceledException)
        {
            return;
        }
        Assert.Equal(0, batches); // cancelled behind the last batch: it is finished, and all of it is in the file
    }

    private sealed class Told(Action<EvaluationProgress> report) : IProgress<EvaluationProgress>
    {
        public void Report(EvaluationProgress value) => report(value);
    }
}
