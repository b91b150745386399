using System.Diagnostics;
using Parsimony.Activations;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>How far a sweep is.</summary>
/// <param name="Step">Steps done by the trainer that is least far.</param>
/// <param name="Steps">Steps of the longest run.</param>
/// <param name="Last">Each trainer's last line of metrics; null before its first.</param>
public sealed record SweepProgress(long Step, long Steps, IReadOnlyList<TrainingProgress?> Last);

/// <summary>
/// Trains several SAEs with the same batches, so that one pass of the model serves them all. Each is bit-equal to what it would be trained
/// alone: a batch is all that they share.
/// </summary>
public static class SaeSweep
{
    /// <summary>Trains all to their ends, or until cancelled. Those that an earlier run brought further wait for the others to come up.</summary>
    /// <param name="source">Where batches come from; reads at every trainer's hook points.</param>
    /// <param name="trainers">Made with this source, each with a run folder of its own where they are to be resumed; and names for messages.</param>
    /// <param name="progress">Told whenever a trainer has written a line of metrics.</param>
    /// <param name="cancellation">Stops between two steps, after all states are saved.</param>
    /// <returns>Seconds spent in each trainer's steps by this call, the harvest not included.</returns>
    /// <exception cref="OperationCanceledException">Cancelled; the states are saved and the same call goes on from them.</exception>
    /// <exception cref="InvalidOperationException">A loss is no longer finite; the message names the trainer. The states of the others are saved.</exception>
    public static IReadOnlyList<double> Train(IActivationSource source, IReadOnlyList<(string Name, SaeTrainer Trainer)> trainers,
        IProgress<SweepProgress>? progress = null, CancellationToken cancellation = default)
    {
        var clocks = trainers.Select(_ => new Stopwatch()).ToList();
        var last = new TrainingProgress?[trainers.Count];
        var unfinished = trainers.Select(t => t.Trainer).Where(t => t.Step < t.Steps).ToList();
        if (unfinished.Count == 0) return [.. clocks.Select(_ => 0.0)];
        var behind = unfinished.MinBy(t => t.Step)!;
        source.Position = behind.Position;
        long steps = unfinished.Max(t => t.Steps);
        for (long step = behind.Step; step < steps; step++)
        {
            using var scope = NewDisposeScope();
            if (SaeTrainer.NextOrNull(source, step == 0 ? unfinished.Where(t => t.Step == 0) : [], cancellation) is not { } batch)
            {
                SaveAll(trainers);
                throw new OperationCanceledException($"Stopped after step {step} of {steps}; the states are saved.", cancellation);
            }
            bool told = false;
            for (int i = 0; i < trainers.Count; i++)
            {
                var trainer = trainers[i].Trainer;
                if (trainer.Step != step || step == trainer.Steps) continue;
                int mine = i;
                clocks[i].Start();
                try
                {
                    trainer.Advance(batch, new Noted(line => (last[mine], told) = (line, true)));
                }
                catch (InvalidOperationException e) when (e.GetType() == typeof(InvalidOperationException))
                {
                    SaveAll(trainers.Where((_, other) => other != mine));
                    throw new InvalidOperationException($"{trainers[i].Name}: {e.Message} The other SAEs are saved; without this one the same sweep goes on.", e);
                }
                clocks[i].Stop();
            }
            if (told) progress?.Report(new SweepProgress(step + 1, steps, [.. last]));
        }
        return [.. clocks.Select(clock => clock.Elapsed.TotalSeconds)];
    }

    private static void SaveAll(IEnumerable<(string Name, SaeTrainer Trainer)> trainers)
    {
        foreach (var (_, trainer) in trainers) trainer.Save();
    }

    private sealed class Noted(Action<TrainingProgress> note) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => note(value);
    }
}
