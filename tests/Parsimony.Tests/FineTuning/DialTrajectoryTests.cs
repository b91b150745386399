using Parsimony.Autoencoders;
using Parsimony.FineTuning;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tests.Splicing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning;

public sealed class DialTrajectoryTests : IDisposable
{
    private readonly Transformer model = Some.Model();
    private readonly StandardSae sae = TinySae.Random();
    private readonly string folder = Directory.CreateTempSubdirectory().FullName;

    private string At => Path.Combine(folder, DialTrajectory.FileName);

    private DialAdapter Dials() => new(model, [new SplicedSae(TinySae.At, sae)], new DialOptions());

    // gamma of latent i is step + i / 100, d is -step.
    private static void Move(DialAdapter dials, long step)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        dials.Dials[0].Gamma.copy_(step + arange(TinySae.DSae, dtype: ScalarType.Float32) / 100);
        dials.Dials[0].Delta.fill_(-(float)step);
    }

    private void Write(DialAdapter dials, IEnumerable<long> steps, int most = 512)
    {
        var log = new DialTrajectoryLog(At, most);
        foreach (long step in steps)
        {
            Move(dials, step);
            log.Append(step, dials);
        }
    }

    [Fact]
    public void What_is_written_is_read_to_half_precision()
    {
        using var dials = Dials();
        Write(dials, [1, 2, 30]);
        using var read = DialTrajectory.Open(At)!;
        Assert.Equal([1L, 2, 30], read.Steps);
        Assert.Equal(TinySae.DSae, read.Hooks[TinySae.At]);
        var (scale, shift) = read.Of(TinySae.At, 7);
        foreach (var (step, i) in new[] { 1, 2, 30 }.Select((s, i) => (s, i)))
        {
            Assert.Equal(1 + step + 0.07, scale[i], (step + 0.07) / 2000);
            Assert.Equal(-step, shift[i], 1e-9);
        }
        Assert.Contains($"there is no latent {TinySae.DSae} at", Assert.Throws<ArgumentOutOfRangeException>(() => read.Of(TinySae.At, TinySae.DSae)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void However_long_a_run_is_the_file_has_a_bound_and_its_rows_lie_evenly()
    {
        using var dials = Dials();
        Write(dials, Enumerable.Range(1, 300).Select(i => (long)i), most: 16);
        using var read = DialTrajectory.Open(At)!;
        Assert.InRange(read.Steps.Count, 8, 15);
        long stride = read.Steps[0];
        Assert.Equal(Enumerable.Range(1, read.Steps.Count).Select(i => i * stride), read.Steps);
        Assert.Equal(read.Steps.Select(s => -(double)s), read.Of(TinySae.At, 0).Shift);
    }

    [Fact]
    public void A_run_that_goes_on_ends_in_the_file_of_one_that_was_never_stopped()
    {
        using var dials = Dials();
        Write(dials, Enumerable.Range(1, 50).Select(i => (long)i), most: 16);
        byte[] whole = File.ReadAllBytes(At);
        foreach (int goesOnAt in (int[])[3, 17, 40])
        {
            File.Delete(At);
            Write(dials, Enumerable.Range(1, 45).Select(i => (long)i), most: 16);
            File.AppendAllText(At, "half a row");
            new DialTrajectoryLog(At, 16).TruncateTo(goesOnAt);
            Write(dials, Enumerable.Range(goesOnAt + 1, 50 - goesOnAt).Select(i => (long)i), most: 16);
            Assert.Equal(whole, File.ReadAllBytes(At));
        }
    }

    [Fact]
    public void What_is_no_trajectory_is_said_and_begun_anew_by_a_run()
    {
        Assert.Null(DialTrajectory.Open(At));
        File.WriteAllText(At, "something else entirely");
        Assert.Contains("is no trajectory of dials", Assert.Throws<InvalidDataException>(() => DialTrajectory.Open(At)).Message, StringComparison.Ordinal);
        using var dials = Dials();
        Write(dials, [4]);
        using var read = DialTrajectory.Open(At)!;
        Assert.Equal([4L], read.Steps);
    }

    [Fact]
    public void Fine_tuning_writes_its_dials_at_each_logged_step_and_ends_at_what_was_learnt()
    {
        List<SftExample> examples = [.. Some.Contexts(6, seed: 1).Select(row => new SftExample(row[..12], 1))];
        var options = new SftOptions { Steps = 10, BatchSize = 3, SequenceLength = 12, LearningRate = 1e-2, LogEverySteps = 4, CheckpointEverySteps = 3 };
        using var fit = DialFits.Sft(model, TinySae.At, sae, options, null, examples, examples, folder, null, null, TestContext.Current.CancellationToken);
        using var read = DialTrajectory.Open(At)!;
        Assert.Equal([4L, 8, 10], read.Steps);
        for (int i = 0; i < TinySae.DSae; i++)
        {
            double gamma = fit.Dials.Gamma[i].item<float>(), d = fit.Dials.Delta[i].item<float>();
            var (scale, shift) = read.Of(TinySae.At, i);
            Assert.Equal(1 + gamma, scale[^1], Math.Abs(gamma) / 1000 + 1e-6);
            Assert.Equal(d, shift[^1], Math.Abs(d) / 1000 + 1e-6);
        }
    }

    public void Dispose()
    {
        Directory.Delete(folder, recursive: true);
        sae.Dispose();
        model.Dispose();
    }
}
