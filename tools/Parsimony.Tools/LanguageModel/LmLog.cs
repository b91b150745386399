using System.Diagnostics;
using System.Globalization;
using Parsimony.Files;

namespace Parsimony.Tools.LanguageModel;

/// <summary>A run's log: lines for people, <c>log.jsonl</c> in the run folder for programs.</summary>
internal sealed class LmLog(LmTrainingOptions options, LmProgress begin, TextWriter console)
{
    private readonly Stopwatch clock = Stopwatch.StartNew();
    private double lossSum;
    private long lastStep = begin.Step;
    private double lastSeconds = begin.Seconds;

    /// <summary>Seconds trained in all, earlier stretches included.</summary>
    public double Seconds => begin.Seconds + clock.Elapsed.TotalSeconds;

    /// <summary>Counts a step; every <c>LogEverySteps</c> a line with the mean loss since the last one.</summary>
    public void Step(long step, double loss, double scale)
    {
        if (!double.IsFinite(loss)) throw new InvalidOperationException(
            $"the loss is {loss} at step {step}. Go on from the last checkpoint with a lower --matrix-learning-rate.");
        lossSum += loss;
        if (step % options.LogEverySteps != 0) return;
        double mean = lossSum / (step - lastStep);
        double rate = (step - lastStep) * options.BatchSize * (double)options.SequenceLength / (Seconds - lastSeconds);
        var left = TimeSpan.FromSeconds((options.Schedule.Steps - step) * (Seconds - begin.Seconds) / (step - begin.Step));
        Write(new { step, loss = Round(mean), learning_rate_scale = Round(scale), tokens_per_second = Math.Round(rate), seconds = Round(Seconds) },
            $"step {step}/{options.Schedule.Steps}  loss {mean:f4}  lr x{scale:f3}  {rate:f0} tokens/s  {left:hh\\:mm\\:ss} left");
        (lossSum, lastStep, lastSeconds) = (0, step, Seconds);
    }

    /// <summary>A held-out figure; <paramref name="kind"/> says which: estimate, float32, float16.</summary>
    public void HeldOut(long step, string kind, double bitsPerByte)
    {
        Write(new { step, heldout_bits_per_byte = Round(bitsPerByte), kind, seconds = Round(Seconds) },
            $"step {step}  held-out {bitsPerByte:f4} bits per byte ({kind})");
        lastSeconds = Seconds; // the time it took is no training time
    }

    private void Write(object record, string line)
    {
        Directory.CreateDirectory(options.RunFolder);
        File.AppendAllText(Path.Combine(options.RunFolder, "log.jsonl"), Json.WriteLine(record) + "\n");
        console.WriteLine(DateTime.Now.ToString("HH:mm:ss ", CultureInfo.InvariantCulture) + line);
    }

    private static double Round(double x) => Math.Round(x, 5);
}
