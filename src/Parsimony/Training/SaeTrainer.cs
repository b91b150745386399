using System.Diagnostics;
using Parsimony.Activations;
using Parsimony.Autoencoders;
using Parsimony.Files;
using Parsimony.Models;
using Parsimony.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>
/// Trains one SAE: batch, step, log, resample, checkpoint. Everything that decides the next step is in the checkpoint, so a run that was
/// stopped and started again ends bit-equal to one that never stopped (same machine, same number of threads).
/// </summary>
/// <remarks>The run folder, when given, gets <c>metrics.jsonl</c> and <c>checkpoint.safetensors</c>; without one nothing is written or resumed.</remarks>
public sealed class SaeTrainer : IDisposable
{
    private readonly SaeTrainingOptions options;
    private readonly IActivationSource source;
    private readonly HookPoint hook, input;
    private readonly string? metricsPath, checkpointPath;
    private readonly ISaeStep sae;
    private readonly DeadLatents dead;
    private readonly FiringDensity density;
    private readonly L0Steering steering;
    private readonly LossGuard losses;
    private readonly Device device;
    private readonly Tensor firesSinceSteering;
    private Stopwatch sinceLog = new();
    private ActivationWaits waitsAtLog;
    private ActivationScale scale = ActivationScale.One;
    private long stepAtLog, resampled;
    private bool isPrepared;

    /// <summary>Prepares a run, or takes up the one whose checkpoint is in the folder.</summary>
    /// <param name="options">How to learn.</param>
    /// <param name="source">Where batches come from; stays the caller's.</param>
    /// <param name="hook">Whose activations the SAE learns to make.</param>
    /// <param name="runFolder">Folder for metrics and checkpoint, made when absent; null: none.</param>
    /// <param name="step">How one step is done, from which first weights; null: a newborn SAE of the options' architecture. Now the trainer's.</param>
    /// <param name="input">Whose activations it reads, for a transcoder; null: the same.</param>
    /// <param name="device">Where it learns, which is where the weights of a given <paramref name="step"/> are; null: the processor. Batches may come from anywhere.</param>
    /// <exception cref="ArgumentException">Options out of range, or a step of another width than the source, or a source that does not read at the hook.</exception>
    /// <exception cref="InvalidDataException">The folder's checkpoint belongs to another run.</exception>
    public SaeTrainer(SaeTrainingOptions options, IActivationSource source, HookPoint hook, string? runFolder = null, ISaeStep? step = null,
        HookPoint? input = null, Device? device = null)
    {
        (this.options, this.source, this.hook) = (ArchitectureDefaults.Resolve(options.Validated()), source, hook);
        (this.input, this.device) = (input ?? hook, device ??= CPU);
        sae = step ?? SaeSteps.Newborn(options, source.Width(this.input), source.Width(hook), device);
        EnsureWidth(this.input, sae.DModel);
        EnsureWidth(hook, sae.DOut);
        Steps = options.StepsFor(source.BatchTokens);
        dead = new DeadLatents(sae.DSae, this.options, source.BatchTokens, Steps, device);
        density = new FiringDensity(sae.DSae, options.ResampleLookBackSteps, device);
        losses = new LossGuard(L0Steering.EverySteps, device);
        firesSinceSteering = zeros(1, ScalarType.Float64, device).DetachFromDisposeScope();
        steering = new L0Steering(ArchitectureDefaults.SparsityCoefficient(options),
            ArchitectureDefaults.HasL1(options) ? ArchitectureDefaults.TargetL0(options, sae.DSae) : null, Steps);
        if (runFolder is null) return;
        Directory.CreateDirectory(runFolder);
        metricsPath = Path.Combine(runFolder, "metrics.jsonl");
        checkpointPath = Path.Combine(runFolder, "checkpoint.safetensors");
        Resume();
    }

    /// <summary>Steps of the whole run.</summary>
    public long Steps { get; }

    /// <summary>Steps done, those before a resume included.</summary>
    public long Step { get; private set; }

    /// <summary>Where the source stood after the last step: what comes next for this trainer.</summary>
    public BufferPosition Position { get; private set; }

    /// <summary>Tokens trained on.</summary>
    public long TokensSeen => Step * source.BatchTokens;

    /// <summary>Trains to the end, or until cancelled.</summary>
    /// <param name="progress">Told at every line of metrics.</param>
    /// <param name="cancellation">Stops between two steps, after the state is saved.</param>
    /// <returns>The trained SAE; the caller's to dispose.</returns>
    /// <exception cref="OperationCanceledException">Cancelled; the state is saved and the same call goes on from it.</exception>
    /// <exception cref="InvalidOperationException">The loss is no longer finite; the message names step and hook.</exception>
    public TrainedSae Train(IProgress<TrainingProgress>? progress = null, CancellationToken cancellation = default)
    {
        while (Step < Steps)
        {
            using var scope = NewDisposeScope();
            if (NextOrNull(source, [this], cancellation) is not { } batch)
            {
                Save();
                throw new OperationCanceledException($"Stopped after step {Step} of {Steps}; the state is saved.", cancellation);
            }
            Advance(batch, progress);
        }
        return Trained();
    }

    /// <summary>Measures, before the first step, what b_dec starts at and how activations are scaled, where the options ask for it. <see cref="Train"/> does it;
    /// whoever calls <see cref="Advance"/> calls it first, before the source gives its first batch. Does nothing the second time.</summary>
    /// <param name="cancellation">Stops a long harvest.</param>
    /// <exception cref="OperationCanceledException">Cancelled; nothing has changed.</exception>
    public void Prepare(CancellationToken cancellation = default)
    {
        if (isPrepared) return;
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        if (NeedsSample)
        {
            var (x, target) = FirstSample.Take(source, input, hook, options.Start.SampleTokens, cancellation);
            scale = new(ActivationScale.Measure(options.Start.ActivationScaling!.Value, x), ActivationScale.Measure(options.Start.ActivationScaling!.Value, target));
            target = scale.OfOutput(target);
            if (options.Start.DecoderBiasStart != DecoderBiasStart.Zero)
                sae.Restore(new Dictionary<string, Tensor>(sae.State())
                {
                    ["b_dec"] = options.Start.DecoderBiasStart == DecoderBiasStart.Mean ? target.mean([0]) : GeometricMedian.Of(target),
                });
        }
        isPrepared = true;
    }

    /// <summary>Does one step with a batch that the source gave: for whoever drives several trainers with the same batches.</summary>
    /// <param name="batch">Of this trainer's source, or of one that gives the same; stays the caller's.</param>
    /// <param name="progress">Told when a line of metrics is due.</param>
    /// <exception cref="InvalidOperationException">The loss is no longer finite; the message names step and hook.</exception>
    public void Advance(ActivationBatch batch, IProgress<TrainingProgress>? progress = null)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        if (NeedsSample && !isPrepared) throw new InvalidOperationException("Prepare() comes before the first batch: it measures what b_dec starts at and the scale.");
        var raw = TorchDevice.Move(batch.At(hook), device);
        var x = scale.OfInput(input == hook ? raw : TorchDevice.Move(batch.At(input), device));
        var target = input == hook ? x : scale.OfOutput(raw);
        if (!sinceLog.IsRunning) (stepAtLog, waitsAtLog, sinceLog) = (Step, source.Waits, Stopwatch.StartNew());
        var inputs = new SaeStepInputs(Step + 1, Schedules.LearningRate(options, TokensSeen),
            steering.Coefficient * Schedules.L1Factor(options, TokensSeen));
        var seen = sae.Run(x, target, inputs);
        Step++;
        Position = source.Position;
        Observe(seen, x);
        if (Step % options.LogEverySteps == 0 || Step == Steps) Log(raw, seen, inputs, progress);
        resampled += dead.Cure(sae, Step, x, target, seen.Residual);
        if (IsDue(options.CheckpointEverySteps) || Step == Steps) Save();
    }

    /// <summary>The SAE as it stands, with what is known of its latents; the caller's to dispose.</summary>
    public TrainedSae Trained() => new(scale.Fold(sae.ToAutoencoder()), Step, TokensSeen, steering.Coefficient, density.Values(Step, source.BatchTokens),
        density.Tokens(Step, source.BatchTokens), dead.Fraction());

    /// <summary>Frees weights and counters; the source stays.</summary>
    public void Dispose()
    {
        sae.Dispose();
        dead.Dispose();
        density.Dispose();
        losses.Dispose();
        firesSinceSteering.Dispose();
    }

    private bool NeedsSample =>
        Step == 0 && (options.Start.ActivationScaling != ActivationScaling.Raw || options.Start.DecoderBiasStart != DecoderBiasStart.Zero);

    private string Hooks => input == hook ? hook.ToString() : $"{input} to {hook}";

    private void EnsureWidth(HookPoint at, int width)
    {
        if (width != source.Width(at)) throw new ArgumentException($"The SAE takes activations of width {width}; those at {at} have width {source.Width(at)}.");
    }

    private bool IsDue(long everySteps) => everySteps > 0 && Step % everySteps == 0;

    /// <summary>The next batch of a source; null when cancelled, so that states can be saved.</summary>
    /// <param name="source">Of all trainers.</param>
    /// <param name="unprepared">Whose <see cref="Prepare"/> comes first.</param>
    /// <param name="cancellation">Stops a long harvest.</param>
    internal static ActivationBatch? NextOrNull(IActivationSource source, IEnumerable<SaeTrainer> unprepared, CancellationToken cancellation)
    {
        try
        {
            if (cancellation.IsCancellationRequested) return null;
            foreach (var trainer in unprepared) trainer.Prepare(cancellation);
            return source.Next(cancellation);
        }
        catch (OperationCanceledException)
        {
            return null;
        }
    }

    private void Observe(SaeStepResult seen, Tensor x)
    {
        dead.Observe(seen.Fires);
        density.Observe(seen.Fires, Step);
        losses.Observe(Step, seen, x);
        firesSinceSteering.add_(seen.Fires.sum());
        if (losses.IsFull || Step == Steps) losses.Look(Hooks);
        if (!IsDue(L0Steering.EverySteps)) return;
        double tokens = L0Steering.EverySteps * source.BatchTokens;
        steering.Observe(firesSinceSteering.item<double>() / tokens, steer: TokensSeen >= Math.Max(options.SteerAfterTokens, options.L1WarmUpTokens));
        firesSinceSteering.zero_();
    }

    private void Log(Tensor raw, SaeStepResult seen, SaeStepInputs inputs, IProgress<TrainingProgress>? progress)
    {
        double s = scale.Output, perToken = 1.0 / source.BatchTokens;
        var variance = new ExplainedVariance();
        variance.Add(raw, s == 1 ? seen.Residual : seen.Residual / s);
        double loss = seen.Loss.item<float>() / (s * s), mse = seen.Mse.item<float>() / (s * s);
        double sparsity = inputs.SparsityCoefficient * seen.Sparsity.item<float>() / (s * s), auxiliary = (seen.Auxiliary?.item<float>() ?? 0) / (s * s);
        double l1 = (seen.Sums is { } sums ? sums.sum().item<float>() * perToken : seen.Sparsity.item<float>()) / s, l0 = seen.Fires.sum().item<float>() * perToken;
        double seconds = sinceLog.Elapsed.TotalSeconds, tokensPerSecond = (Step - stepAtLog) * source.BatchTokens / seconds;
        var waits = source.Waits;
        var line = new TrainingProgress(Step, Steps, TokensSeen, tokensPerSecond, loss, mse, sparsity, auxiliary, l1, l0, variance.Value,
            dead.Fraction(), inputs.SparsityCoefficient, inputs.LearningRate, resampled,
            (waits.ForActivations - waitsAtLog.ForActivations) / seconds, (waits.ForTraining - waitsAtLog.ForTraining) / seconds);
        (stepAtLog, waitsAtLog) = (Step, waits);
        sinceLog.Restart();
        if (metricsPath is not null) MetricsFile.Append(metricsPath, line);
        progress?.Report(line);
    }

    /// <summary>Writes the checkpoint now, besides when it is due; nothing without a run folder.</summary>
    /// <exception cref="InvalidOperationException">The loss is no longer finite: the last good checkpoint stays.</exception>
    public void Save()
    {
        if (checkpointPath is null) return;
        losses.Look(Hooks);
        using var scope = NewDisposeScope();
        var numbers = new CheckpointNumbers
        {
            Step = Step,
            Position = Position,
            L1Coefficient = steering.Coefficient,
            SteeringError = steering.Error,
            FiresSinceSteering = firesSinceSteering.item<double>(),
            Resampled = resampled,
            InputScale = scale.Input,
            OutputScale = scale.Output,
            Hook = Hooks,
            Options = options,
        };
        Checkpoint.Save(checkpointPath, numbers, [.. sae.State(), .. dead.State(), .. density.State()]);
    }

    private void Resume()
    {
        using var scope = NewDisposeScope();
        if (Checkpoint.Load(checkpointPath!) is { } saved)
        {
            Checkpoint.EnsureSameRun(saved.Numbers, options, Hooks, checkpointPath!);
            sae.Restore(saved.Tensors);
            dead.Restore(saved.Tensors);
            density.Restore(saved.Tensors);
            steering.Restore(saved.Numbers.L1Coefficient, saved.Numbers.SteeringError);
            firesSinceSteering.fill_(saved.Numbers.FiresSinceSteering);
            scale = new(saved.Numbers.InputScale, saved.Numbers.OutputScale);
            (Step, resampled, Position) = (saved.Numbers.Step, saved.Numbers.Resampled, saved.Numbers.Position);
            source.Position = Position;
        }
        MetricsFile.TruncateTo<TrainingProgress>(metricsPath!, line => line.Step, Step);
    }
}
