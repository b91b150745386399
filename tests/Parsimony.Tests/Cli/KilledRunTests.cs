using System.Diagnostics;
using System.Text.Json;
using Parsimony.Evaluation;
using Parsimony.Files;
using Parsimony.FineTuning.Rewards.Trained;
using Parsimony.Models;
using Parsimony.Reporting;
using Parsimony.Training;
using Xunit;

namespace Parsimony.Tests.Cli;

/// <summary>The real program as a process of its own, killed where nothing can be tidied up.</summary>
public sealed class KilledRunTests : IDisposable
{
    private const string Checkpoint = "checkpoint.safetensors", Weights = "sae/sae_weights.safetensors", Config = "sae/cfg.json";
    private const int Attempts = 5;
    private static readonly string[] Stream =
        ["--threads", "1", "--sequence-length", "16", "--batch-tokens", "32", "--buffer-tokens", "2048", "--d-sae", "64", "--learning-rate", "0.01", "--seed", "4"];
    private readonly TemporaryFolder folder = new();
    private readonly Random random = new(20);
    private readonly string model, text, whole, killed;

    public KilledRunTests()
    {
        (text, whole, killed) = (folder.File("text.txt"), folder.File("whole"), folder.File("killed"));
        model = SomeFolder.Model(folder.File("model"));
        File.WriteAllText(text, string.Concat(Enumerable.Range(0, 500).Select(i => $"line {i * i} of a text, {i % 7} words\n")));
    }

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_training_run_killed_at_random_moments_and_started_again_ends_in_the_very_files_of_one_that_was_not()
    {
        const int steps = 1200;
        string[] train =
        [
            "train", "--model", model, "--text", text, .. Stream, "--training-tokens", $"{steps * 32}", "--checkpoint-every-steps", "7", "--log-every-steps", "5",
            "--resample-every-steps", "90", "--resample-look-back-steps", "30", "--target-l0-fraction", "0.1", "--steer-after-tokens", "3000", "--out",
        ];
        RunBoth(train, () => Steps(killed), steps, kills: 4);
        Assert.Equal([Config, Weights, Checkpoint], Same([Config, Weights, Checkpoint]));
        Assert.Equal(Timeless(whole), Timeless(killed));
    }

    [Fact]
    public void A_harvest_killed_at_random_moments_and_started_again_leaves_the_very_shards_of_one_that_was_not()
    {
        const int shards = 110;
        string[] harvest =
        [
            "harvest", "--model", model, "--text", text, "--hook", "blocks.1.mlp_out", "blocks.2.resid_post", "--threads", "1", "--sequence-length", "32",
            "--shard-tokens", "128", "--harvest-batch-contexts", "2", "--max-tokens", $"{shards * 128}", "--out",
        ];
        RunBoth(harvest, () => Shards(killed).Length, shards, kills: 3);
        Assert.Equal(shards, Shards(whole).Length);
        string[] files = [.. Directory.GetFiles(whole).Select(file => Path.GetFileName(file)).Order()];
        Assert.Equal(files, Directory.GetFiles(killed).Select(file => Path.GetFileName(file)).Order());
        Assert.Equal(files, Same(files));

        static string[] Shards(string cache) => Directory.Exists(cache) ? Directory.GetFiles(cache, "shard-*.safetensors") : [];
    }

    [Fact]
    public void A_sweep_killed_at_random_moments_and_started_again_ends_in_the_very_files_of_one_that_was_not()
    {
        const int steps = 300;
        string[] names = ["standard", "topk", "jumprelu"];
        string sweep = folder.File("sweep.json");
        File.WriteAllText(sweep, JsonSerializer.Serialize(new
        {
            runs = (object[])
            [
                new { name = names[0], resampling = "anthropic", resample_every_steps = 60, resample_look_back_steps = 20 },
                new { name = names[1], architecture = "topk", k = 4, dead_after_tokens = 900 },
                new { name = names[2], architecture = "jumprelu", hook = "blocks.2.resid_post", target_l0 = 6 },
            ],
        }));
        string[] train =
        [
            "train", sweep, "--model", model, "--text", text, .. Stream, "--training-tokens", $"{steps * 32}", "--checkpoint-every-steps", "9", "--log-every-steps", "5", "--out",
        ];
        RunBoth(train, () => names.Min(name => Steps(Path.Combine(killed, name))), steps, kills: 3);
        foreach (string name in names)
        {
            string[] files = [.. ((string[])[Config, Weights, Checkpoint]).Select(file => Path.Combine(name, file))];
            Assert.Equal(files, Same(files));
            Assert.Equal(Timeless(Path.Combine(whole, name)), Timeless(Path.Combine(killed, name)));
        }
    }

    [Fact]
    public void A_reward_model_killed_at_random_moments_and_started_again_ends_in_the_very_files_of_one_that_was_not()
    {
        const int pairs = 40, epochs = 150;
        string data = folder.File("pairs.jsonl");
        File.WriteAllLines(data, Enumerable.Range(0, pairs).Select(i => JsonSerializer.Serialize(new { prompt = $"{i} hens", chosen = $" sang {i % 7}", rejected = $" ran {i % 5}" })));
        string[] learn =
        [
            "reward-model", "--data", data, "--model", model, "--threads", "1", "--batch-size", "4", "--epochs", $"{epochs}", "--held-out-fraction", "0.2",
            "--checkpoint-every-steps", "7", "--log-every-steps", "5", "--seed", "4", "--out",
        ];
        RunBoth(learn, () => Lines(killed) is [.., var last] ? last.Step : 0, epochs * pairs * 8 / 10 / 4, kills: 4);
        string[] files = [.. ((string[])[Checkpoint, "reward_head.safetensors", "reward_config.json", "README.md"]).Select(file => Path.Combine(RewardHeadFolder.InRunFolder, file))];
        Assert.Equal(files, Same(files));
        Assert.Equal(Timeless(whole), Timeless(killed));

        static IReadOnlyList<RewardHeadProgress> Lines(string run) => MetricsFile.Read<RewardHeadProgress>(Path.Combine(run, RewardHeadFolder.InRunFolder, "metrics.jsonl"));

        static IEnumerable<RewardHeadProgress> Timeless(string run) => Lines(run).Select(line => line with { TextsPerSecond = 0 });
    }

    [Fact]
    public void An_evaluation_killed_at_random_moments_and_started_again_ends_in_the_very_figures_of_one_that_was_not()
    {
        const int stride = 8;
        long tokens = File.ReadAllText(text).Length;
        string[] evaluate =
        [
            "evaluate", SomeFolder.Sae(folder.File("sae"), model, dSae: 64), "--model", model, "--text", text, "--threads", "1", "--protocol", "strided", "--sequence-length", "24",
            "--stride", $"{stride}", "--batch-contexts", "8", "--checkpoint-every-seconds", "0", "--out",
        ];
        RunBoth(evaluate, Done, 3 * tokens, kills: 4);
        Assert.Equal(Figures(whole), Figures(killed));
        Assert.Equal(["config.json", "report.json"], Directory.GetFiles(killed).Select(file => Path.GetFileName(file)).Order());

        // Both passes of the figures, and that of the layer sweep.
        long Done() => File.Exists(Path.Combine(killed, "report.json")) ? 3 * tokens : Saved("evaluation.safetensors") + Saved("layer-sweep.safetensors");

        long Saved(string name)
        {
            string file = Path.Combine(killed, name);
            if (!File.Exists(file)) return 0;
            using var saved = SafetensorsFile.Open(file);
            return Json.Parse<EvaluationPosition>(saved.Metadata["evaluation"], file).TokensDone;
        }

        static string Figures(string run)
        {
            var report = RunReport.Load(Path.Combine(run, "report.json"));
            return (report with { Date = null, Seconds = null, Evaluation = report.Evaluation! with { TokensPerSecond = 0, LayerSweepSeconds = 0 } }).ToJson();
        }
    }

    /// <summary>Runs a command once undisturbed, and once killed and started again, to the end.</summary>
    /// <param name="command">The command line, up to the value of --out.</param>
    /// <param name="progress">How far the killed one has come, as its folder shows it.</param>
    /// <param name="end">Its progress at the end.</param>
    /// <param name="kills">How often it is killed, always in the first half.</param>
    private void RunBoth(string[] command, Func<long> progress, long end, int kills)
    {
        RunToEnd([.. command, whole]);
        var seen = Kills();
        for (int attempt = 1; attempt < Attempts && seen[^1] >= end; attempt++) // a machine that kept this thread waiting: the run had ended by itself
        {
            Directory.Delete(killed, recursive: true);
            seen = Kills();
        }
        Assert.True(seen[^1] < end, "the last kill came after the end"); // none was a run that had ended by itself
        Assert.Equal(seen.Order(), seen); // each start went on where the one before had come to
        RunToEnd([.. command, killed]);
        Assert.Empty(Directory.GetFiles(killed, "*.tmp", SearchOption.AllDirectories));

        List<long> Kills()
        {
            List<long> reached = [];
            for (int kill = 0; kill < kills; kill++)
            {
                // Waits for progress, not for a time: a machine of any speed is far from the end when the last kill comes. The moment after it is random
                // within the time that two such steps take.
                long from = Math.Max(progress(), kill * end / (2 * kills));
                using var run = Start([.. command, killed]);
                long first = Beyond(from, run), clock = Stopwatch.GetTimestamp();
                Beyond(first, run);
                Thread.Sleep(2 * random.NextDouble() * Stopwatch.GetElapsedTime(clock));
                run.Kill(); // SIGKILL on Unix
                run.WaitForExit();
                reached.Add(progress());
            }
            return reached;
        }

        long Beyond(long here, Process run)
        {
            long now;
            while ((now = progress()) <= here && !run.HasExited) Thread.Sleep(1);
            return now;
        }
    }

    private static Process Start(string[] command)
    {
        string program = Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? "Parsimony.Cli.exe" : "Parsimony.Cli");
        return Process.Start(new ProcessStartInfo(program, command) { RedirectStandardError = true, RedirectStandardOutput = true })!;
    }

    private static void RunToEnd(string[] command)
    {
        using var run = Start(command);
        string error = run.StandardError.ReadToEnd();
        run.WaitForExit();
        Assert.True(run.ExitCode == 0, error);
    }

    /// <summary>Those of the files that both folders have alike, byte for byte.</summary>
    private string[] Same(string[] files) =>
        [.. files.Where(file => FileHash.Sha256(Path.Combine(whole, file)) == FileHash.Sha256(Path.Combine(killed, file)))];

    private static long Steps(string run)
    {
        string metrics = Path.Combine(run, "metrics.jsonl");
        return File.Exists(metrics) ? MetricsFile.Read<TrainingProgress>(metrics) is [.., var last] ? last.Step : 0 : 0;
    }

    private static List<TrainingProgress> Timeless(string run) =>
        [.. MetricsFile.Read<TrainingProgress>(Path.Combine(run, "metrics.jsonl"))
            .Select(line => line with { TokensPerSecond = 0, WaitForActivations = 0, WaitForTraining = 0 })];
}
