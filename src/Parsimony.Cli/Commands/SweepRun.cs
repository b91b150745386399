using Parsimony.Activations;
using Parsimony.Cli.Runs;
using Parsimony.Files;
using Parsimony.Models;
using Parsimony.Reporting;
using Parsimony.Training;

namespace Parsimony.Cli.Commands;

/// <summary>One line of a sweep's summary.</summary>
/// <param name="Name">The SAE's name.</param>
/// <param name="Folder">Its run folder.</param>
/// <param name="Varied">What the sweep set for it.</param>
/// <param name="L0">Mean of the last lines of metrics.</param>
/// <param name="ExplainedVariance">Mean of the last lines of metrics.</param>
/// <param name="DeadFraction">Of the last line of metrics.</param>
/// <param name="TokensSeen">Tokens trained on.</param>
/// <param name="Seconds">Seconds in its own steps, the shared harvest not included.</param>
internal sealed record SweepRow(string Name, string Folder, IReadOnlyDictionary<string, string> Varied, double L0, double ExplainedVariance,
    double DeadFraction, long TokensSeen, double Seconds);

/// <summary>Trains the SAEs of a sweep from one stream, each into a run folder of its own.</summary>
internal static class SweepRun
{
    private const int LastLines = 10;

    /// <summary>Trains, or goes on, and evaluates where the sweep says so.</summary>
    /// <returns>A row of the summary or of the comparison for each; a plan where one was asked for.</returns>
    public static object Run(Sweep sweep, Terminal terminal)
    {
        object trained = Train(sweep.Common, sweep.Members, terminal);
        if (trained is not SweepRow[] rows) return trained;
        if (sweep.Evaluate is { } evaluate) return Comparison.Run([.. rows.Select(r => r.Folder)], evaluate, terminal);
        Print(rows, terminal);
        return rows;
    }

    private static object Train(TrainOptions common, IReadOnlyList<SweepMember> members, Terminal terminal)
    {
        HookPoint[] hooks = [.. members.SelectMany(m => TrainCommand.Hooks(m.Options)).Distinct()];
        if (TrainCommand.PlanWithoutData(common, [.. members.Select(m => m.Options)], terminal) is { } plan) return plan;
        using var data = TrainingData.Open(common, hooks);
        terminal.Note(data.Notes);
        if (common.Plan) return TrainCommand.Plan(data, common, [.. members.Select(m => m.Options)], terminal);
        using var source = new ActivationBuffer(data.Activations, common.Buffer);
        Plans.Training(data.Model?.Config, source, data.Activations, [.. members.Select(m => m.Options)], common.Out, data.AdapterBytes).Ensure("The sweep", common.Out);
        terminal.WhenInterrupted = $"The states are in {common.Out}; the same command goes on from them.";
        var runs = members.Select(m => RunFolder.At(m.Options.Out)).ToList();
        var options = members.Zip(runs, (m, run) => TrainCommand.Begin(data, m.Options, run)).ToList();
        var trainers = new List<(string Name, SaeTrainer Trainer)>();
        try
        {
            foreach (var (member, mine, run) in members.Zip(options, runs))
                trainers.Add((member.Name, TrainCommand.NewTrainer(mine, source, run)));
            long[] before = [.. trainers.Select(t => t.Trainer.Step)];
            IReadOnlyList<double> seconds;
            using (var progress = terminal.Progress(common.On($"sweep of {members.Count}"), trainers.Max(t => t.Trainer.Steps) * source.BatchTokens, "tokens", before.Min() * source.BatchTokens))
                seconds = SaeSweep.Train(source, trainers, progress.From<SweepProgress>(p => p.Step * source.BatchTokens, Figures), terminal.Interrupted);
            var rows = new SweepRow[members.Count];
            for (int i = 0; i < rows.Length; i++)
            {
                var trainer = trainers[i].Trainer;
                if (trainer.Step > before[i] || !RunFolder.Contains(runs[i].Folder))
                    using (var trained = trainer.Trained()) TrainCommand.Keep(runs[i], data, options[i], trained, seconds[i]);
                rows[i] = Row(members[i], runs[i]);
            }
            return rows;
        }
        finally
        {
            foreach (var (_, trainer) in trainers) trainer.Dispose();
        }
    }

    private static SweepRow Row(SweepMember member, RunFolder run)
    {
        var lines = MetricsFile.Read<TrainingProgress>(run.Metrics).TakeLast(LastLines).ToList();
        return new SweepRow(member.Name, run.Folder, member.Varied, lines.Average(l => l.L0), lines.Average(l => l.ExplainedVariance),
            lines[^1].DeadFraction, lines[^1].TokensSeen, run.Report.Seconds?.GetValueOrDefault("train") ?? 0);
    }

    private static string Figures(SweepProgress p)
    {
        var lines = p.Last.OfType<TrainingProgress>().ToList();
        return $"EV {lines.Min(l => l.ExplainedVariance):0.000} to {lines.Max(l => l.ExplainedVariance):0.000}  "
            + $"L0 {lines.Min(l => l.L0):0.0} to {lines.Max(l => l.L0):0.0}{TrainCommand.Waiting(lines[^1])}";
    }

    private static void Print(SweepRow[] rows, Terminal terminal) => terminal.Table(
        ["SAE", "L0#", "EV#", "dead#", "seconds#"],
        rows.Select(r => (string[])[r.Name, $"{r.L0:0.0}", $"{r.ExplainedVariance:0.000}", $"{r.DeadFraction:0.0 %}", $"{r.Seconds:0.0}"]));
}
