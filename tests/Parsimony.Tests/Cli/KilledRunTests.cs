using System.Diagnostics;
using Parsimony.Files;
using Parsimony.Training;
using Xunit;

namespace Parsimony.Tests.Cli;

/// <summary>The real program as a process of its own, killed where nothing can be tidied up.</summary>
public sealed class KilledRunTests : IDisposable
{
    private const int Kills = 4, Steps = 2100;
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_training_run_killed_at_random_moments_and_started_again_ends_in_the_very_files_of_one_that_was_not()
    {
        string model = SomeFolder.Model(folder.File("model")), text = folder.File("text.txt");
        File.WriteAllText(text, string.Concat(Enumerable.Range(0, 500).Select(i => $"line {i * i} of a text, {i % 7} words\n")));
        string whole = folder.File("whole"), killed = folder.File("killed");
        using (var run = Start(model, text, whole)) Assert.Equal(0, Ended(run));

        var random = new Random(20);
        List<long> steps = [];
        for (int kill = 0; kill < Kills; kill++)
        {
            // Waits for a step, not for a time: a machine of any speed is far from the end when the last kill comes.
            long from = Math.Max(Lines(killed), kill * Steps / (2 * Kills));
            using var run = Start(model, text, killed);
            while (Lines(killed) <= from && !run.HasExited) Thread.Sleep(2);
            Thread.Sleep(random.Next(30));
            run.Kill(); // SIGKILL on Unix
            run.WaitForExit();
            steps.Add(Lines(killed));
        }
        Assert.Equal(steps.Order(), steps); // each start went on where the one before had come to
        Assert.True(steps[^1] < Steps, "the last kill came after the end"); // none was a run that had ended by itself
        using (var run = Start(model, text, killed)) Assert.Equal(0, Ended(run));

        foreach (string file in (string[])["checkpoint.safetensors", "sae/sae_weights.safetensors", "sae/cfg.json"])
            Assert.True(FileHash.Sha256(Path.Combine(whole, file)) == FileHash.Sha256(Path.Combine(killed, file)), $"{file} differs");
        Assert.Equal(Timeless(whole), Timeless(killed));
        Assert.Empty(Directory.GetFiles(killed, "*.tmp"));
    }

    private static Process Start(string model, string text, string output)
    {
        string program = Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? "Parsimony.Cli.exe" : "Parsimony.Cli");
        return Process.Start(new ProcessStartInfo(program,
        [
            "train", "--model", model, "--text", text, "--out", output, "--threads", "1", "--sequence-length", "16", "--batch-tokens", "32",
            "--buffer-tokens", "2048", "--d-sae", "64", "--training-tokens", $"{Steps * 32}", "--checkpoint-every-steps", "7", "--log-every-steps", "5",
            "--resample-every-steps", "90", "--resample-look-back-steps", "30", "--learning-rate", "0.01", "--target-l0-fraction", "0.1",
            "--steer-after-tokens", "3000", "--seed", "4",
        ])
        { RedirectStandardError = true, RedirectStandardOutput = true })!;
    }

    private static int Ended(Process run)
    {
        string error = run.StandardError.ReadToEnd();
        run.WaitForExit();
        Assert.True(run.ExitCode == 0, error);
        return run.ExitCode;
    }

    private static long Lines(string run)
    {
        string metrics = Path.Combine(run, "metrics.jsonl");
        return File.Exists(metrics) ? MetricsFile.Read<TrainingProgress>(metrics) is [.., var last] ? last.Step : 0 : 0;
    }

    private static List<TrainingProgress> Timeless(string run) =>
        [.. MetricsFile.Read<TrainingProgress>(Path.Combine(run, "metrics.jsonl"))
            .Select(line => line with { TokensPerSecond = 0, WaitForActivations = 0, WaitForTraining = 0 })];
}
