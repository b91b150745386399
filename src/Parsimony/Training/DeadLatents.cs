using Parsimony.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>
/// Which latents are dead, counted in steps, and their cure: every N steps, those that fired on no token of the last M steps get new weights
/// (<see cref="DeadLatentCure"/>) and bias zero.
/// </summary>
/// <remarks>Adam's moments of these rows and columns become zero too (the article does not say; old moments would push the newborn where
/// the dead one was going). The count of steps since a latent fired starts again, so the newborn has M steps to prove itself.</remarks>
internal sealed class DeadLatents : IDisposable
{
    private const string Sample = "dead.sample.";
    private readonly Tensor stepsSinceFired; // [d_sae] int64
    private readonly Generator generator;
    private readonly DeadLatentCure cure;
    private readonly long everySteps, lookBackSteps, sampleSteps, steps;
    private InputReservoir? sample; // only in the last steps before a resampling, and only where it may find dead latents

    /// <param name="dSae">Number of latents; all are taken to have just fired.</param>
    /// <param name="options">With nothing left open.</param>
    /// <param name="batchTokens">Tokens of a step.</param>
    /// <param name="steps">Steps of the whole run; after the last nothing is resampled.</param>
    /// <param name="device">Where the steps are done; null: the processor. Draws are the processor's in any case.</param>
    public DeadLatents(int dSae, SaeTrainingOptions options, int batchTokens, long steps, Device? device = null)
    {
        (cure, everySteps, lookBackSteps, this.steps) = (options.Resampling!.Value, options.ResampleEverySteps, options.ResampleLookBackSteps, steps);
        sampleSteps = Math.Min(lookBackSteps, (options.ResampleSampleTokens - 1) / batchTokens + 1);
        stepsSinceFired = zeros(dSae, ScalarType.Int64, device).DetachFromDisposeScope();
        generator = new Generator(unchecked((ulong)(options.Seed + 1)), CPU);
    }

    /// <summary>Takes in one step's firing counts, <c>[d_sae]</c>.</summary>
    public void Observe(Tensor fires)
    {
        using var scope = NewDisposeScope();
        stepsSinceFired.add_(1).masked_fill_(fires > 0, 0);
    }

    /// <summary>Share of latents that fired on no token of the look-back; 0 until that many steps have passed.</summary>
    public double Fraction()
    {
        using var scope = NewDisposeScope();
        return (stepsSinceFired >= lookBackSteps).to(ScalarType.Float64).mean().item<double>();
    }

    /// <summary>After a step: draws from its inputs where a resampling is near, and where it is due gives dead latents a new birth; all of them, but where
    /// inputs are drawn no more than there were.</summary>
    /// <param name="step">What learns.</param>
    /// <param name="number">Steps done; <see cref="Observe"/> has seen the last.</param>
    /// <param name="x">The batch, as the step saw it, <c>[batch, d_model]</c>.</param>
    /// <param name="target">What should have come out, <c>[batch, d_out]</c>; <paramref name="x"/> itself for all but transcoders.</param>
    /// <param name="residual">What came out, less that.</param>
    /// <returns>How many were replaced.</returns>
    public int Cure(ISaeStep step, long number, Tensor x, Tensor target, Tensor residual)
    {
        if (cure == DeadLatentCure.Never || everySteps == 0) return 0;
        long toGo = (everySteps - number % everySteps) % everySteps;
        if (number + toGo >= steps) return 0;
        using var scope = NewDisposeScope();
        if (cure != DeadLatentCure.Kaiming && toGo < sampleSteps) Draw(toGo, x, target, residual);
        return toGo == 0 ? Replace(step) : 0;
    }

    private void Draw(long toGo, Tensor x, Tensor target, Tensor residual)
    {
        // Those that can be dead by then: no input more than that is of use, and none at all is the rule.
        long atMost = (stepsSinceFired >= lookBackSteps - toGo).sum().item<long>();
        if (atMost == 0) return;
        sample ??= new InputReservoir(atMost, (int)x.shape[1], ReferenceEquals(x, target) ? null : (int)target.shape[1]);
        sample.Add(BadInputs.Weights(residual, x, target, cure), x, target, generator);
    }

    private int Replace(ISaeStep step)
    {
        using var drawn = sample;
        sample = null;
        var isDead = stepsSinceFired >= lookBackSteps;
        var dead = isDead.nonzero().reshape(-1);
        if (dead.shape[0] == 0) return 0;
        var (columns, rows) = drawn is null ? Kaiming(step, (int)dead.shape[0]) : TowardBadInputs();
        if (rows.shape[0] == 0) return 0;
        dead = dead.narrow(0, 0, rows.shape[0]);
        step.Replace(dead, columns.to(dead.device), rows.to(dead.device));
        stepsSinceFired.index_fill_(0, dead, 0);
        return (int)dead.shape[0];

        (Tensor, Tensor) TowardBadInputs()
        {
            var (x, target) = drawn.Take(dead.shape[0]);
            (x, target) = (x.to(dead.device), target.to(dead.device));
            var living = step.State()["W_enc"].index_select(1, isDead.logical_not().nonzero().reshape(-1));
            return BadInputs.Toward(x, target, living, cure);
        }
    }

    private (Tensor, Tensor) Kaiming(ISaeStep step, int count) =>
        (KaimingUniform.EncoderColumns(step.DModel, count, step.DSae, generator), KaimingUniform.DecoderRows(count, step.DOut, generator));

    /// <summary>For the checkpoint; belongs to the caller's dispose scope.</summary>
    public IEnumerable<KeyValuePair<string, Tensor>> State() =>
        [new("dead.steps_since_fired", stepsSinceFired), new("dead.generator", generator.get_state()), .. sample?.State(Sample) ?? []];

    public void Restore(IReadOnlyDictionary<string, Tensor> state)
    {
        stepsSinceFired.copy_(state["dead.steps_since_fired"]);
        generator.set_state(state["dead.generator"]);
        sample?.Dispose();
        sample = InputReservoir.Restored(state, Sample);
    }

    public void Dispose()
    {
        stepsSinceFired.Dispose();
        generator.Dispose();
        sample?.Dispose();
    }
}
