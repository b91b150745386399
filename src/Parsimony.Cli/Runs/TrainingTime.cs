using System.Diagnostics;
using Parsimony.Activations;
using Parsimony.Cli.Commands;
using Parsimony.Native;
using Parsimony.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Cli.Runs;

/// <summary>
/// How long an SAE will train, from a few real steps at its true size. Half of a newborn SAE's latents fire, and a step takes the longer the more do: where an L0 is aimed at,
/// steps are measured there too, and the tokens before the steering are counted as the first steps, those after it as these.
/// </summary>
internal static class TrainingTime
{
    private const int MeasuredSteps = 4;

    /// <summary>Seconds of all steps.</summary>
    /// <param name="run">The SAE.</param>
    /// <param name="few">Activations of a batch or more.</param>
    /// <param name="cancellation">Stops between two steps.</param>
    public static double Seconds(TrainOptions run, IContextActivations few, CancellationToken cancellation)
    {
        long steps = run.Sae.StepsFor(run.Buffer.BatchTokens);
        double first = StepSeconds(run, few, isAtTarget: false, cancellation);
        if (!IsSteered(run)) return steps * first;
        long before = Math.Min(steps, run.Sae.SteerAfterTokens / run.Buffer.BatchTokens);
        return before * first + (before < steps ? (steps - before) * StepSeconds(run, few, isAtTarget: true, cancellation) : 0);
    }

    /// <summary>What it was measured on, for people.</summary>
    public static string MeasuredOn(IReadOnlyList<TrainOptions> runs, bool areActivationsRandom) => $"steps {MeasuredSteps + 1} to {2 * MeasuredSteps} of each SAE"
        + (areActivationsRandom ? " on random activations" : "") + (runs.Any(IsSteered) ? " and as many at its target L0, which counts from where beta is steered" : ", when most latents still fire: later ones are faster");

    private static bool IsSteered(TrainOptions run) => run.Sae is { Architecture: SaeArchitecture.Standard } and ({ TargetL0: not null } or { TargetL0Fraction: not null });

    /// <summary>Mean seconds of a step, its share of logging included.</summary>
    private static double StepSeconds(TrainOptions run, IContextActivations few, bool isAtTarget, CancellationToken cancellation)
    {
        var options = run.Sae with { TrainingTokens = 2L * MeasuredSteps * run.Buffer.BatchTokens, LogEverySteps = MeasuredSteps };
        using var source = new ActivationBuffer(few, run.Buffer with { BufferTokens = Math.Max(run.Buffer.BatchTokens, few.Contexts * few.SequenceLength) });
        var device = TorchDevice.Of(run.Device);
        var step = SaeSteps.Newborn(options, source.Width(run.ReadsAt()), source.Width(run.Hook), device);
        using var trainer = new SaeTrainer(options, source, run.Hook, step: step, input: run.ReadsAt(), device: device); // now the trainer's
        if (isAtTarget) Quieten(step, source.Next(cancellation), run);
        var moments = new Moments();
        trainer.Train(moments, cancellation).Dispose();
        return (moments.Last - moments.First) / (double)Stopwatch.Frequency / MeasuredSteps;
    }

    /// <summary>Lowers the encoder's bias until each latent fires as often as the target says.</summary>
    internal static void Quieten(ISaeStep step, ActivationBatch batch, TrainOptions run)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        using var owned = batch;
        var state = step.State();
        var x = TorchDevice.Move(batch.At(run.ReadsAt()), state["W_enc"].device);
        double share = (run.Sae.TargetL0 ?? run.Sae.TargetL0Fraction!.Value * step.DSae) / step.DSae;
        long fires = Math.Clamp((long)Math.Round(share * x.shape[0]), 1, x.shape[0] - 1);
        var loudest = (x - state["b_dec"]).matmul(state["W_enc"]).topk((int)fires + 1, dim: 0).values; // [fires + 1, d_sae]
        step.Restore(new Dictionary<string, Tensor>(state) { ["b_enc"] = -loudest[-1] });
    }

    private sealed class Moments : IProgress<TrainingProgress>
    {
        public long First { get; private set; }

        public long Last { get; private set; }

        public void Report(TrainingProgress value) => (First, Last) = (Last, Stopwatch.GetTimestamp());
    }
}
