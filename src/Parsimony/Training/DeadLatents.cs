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
    private readonly Tensor stepsSinceFired; // [d_sae] int64
    private readonly Generator generator;
    private readonly long lookBackSteps;

    public DeadLatents(int dSae, long lookBackSteps, long seed)
    {
        this.lookBackSteps = lookBackSteps;
        stepsSinceFired = zeros(dSae, ScalarType.Int64).DetachFromDisposeScope();
        generator = new Generator(unchecked((ulong)seed), CPU);
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

    /// <summary>Gives dead latents a new birth: all of them, but where inputs are drawn no more than the batch has to give.</summary>
    /// <param name="step">What learns.</param>
    /// <param name="cure">Where the new weights come from.</param>
    /// <param name="x">The batch, as the step saw it, <c>[batch, d_model]</c>.</param>
    /// <param name="target">What should have come out, <c>[batch, d_out]</c>.</param>
    /// <param name="residual">What came out, less that.</param>
    /// <returns>How many were replaced.</returns>
    public int Resample(ISaeStep step, DeadLatentCure cure, Tensor x, Tensor target, Tensor residual)
    {
        using var scope = NewDisposeScope();
        var isDead = stepsSinceFired >= lookBackSteps;
        var dead = isDead.nonzero().reshape(-1);
        if (cure == DeadLatentCure.Never || dead.shape[0] == 0) return 0;
        var (columns, rows) = cure == DeadLatentCure.Kaiming ? Kaiming(step, (int)dead.shape[0]) : TowardBadInputs();
        dead = dead.narrow(0, 0, rows.shape[0]);
        if (dead.shape[0] == 0) return 0;
        step.Replace(dead, columns, rows);
        stepsSinceFired.index_fill_(0, dead, 0);
        return (int)dead.shape[0];

        (Tensor, Tensor) TowardBadInputs()
        {
            var drawn = BadInputs.Draw(BadInputs.Weights(residual, x, target, cure), dead.shape[0], generator);
            var living = step.State()["W_enc"].index_select(1, isDead.logical_not().nonzero().reshape(-1));
            return BadInputs.Toward(x.index_select(0, drawn), target.index_select(0, drawn), living, cure);
        }
    }

    private (Tensor, Tensor) Kaiming(ISaeStep step, int count) =>
        (KaimingUniform.EncoderColumns(step.DModel, count, step.DSae, generator), KaimingUniform.DecoderRows(count, step.DOut, generator));

    /// <summary>For the checkpoint; belongs to the caller's dispose scope.</summary>
    public IEnumerable<KeyValuePair<string, Tensor>> State() =>
        [new("dead.steps_since_fired", stepsSinceFired), new("dead.generator", generator.get_state())];

    public void Restore(IReadOnlyDictionary<string, Tensor> state)
    {
        stepsSinceFired.copy_(state["dead.steps_since_fired"]);
        generator.set_state(state["dead.generator"]);
    }

    public void Dispose()
    {
        stepsSinceFired.Dispose();
        generator.Dispose();
    }
}
