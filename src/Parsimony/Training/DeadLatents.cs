using Parsimony.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>
/// Which latents are dead, and the article's cure: every N steps, those that fired on no token of the last M steps get Kaiming uniform rows
/// in W_enc and W_dec and bias zero.
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

    /// <summary>Gives every dead latent a new birth.</summary>
    /// <returns>How many there were.</returns>
    public int Resample(ISaeStep step)
    {
        using var scope = NewDisposeScope();
        var dead = (stepsSinceFired >= lookBackSteps).nonzero().reshape(-1);
        int count = (int)dead.shape[0];
        if (count == 0) return 0;
        step.Replace(dead, KaimingUniform.EncoderColumns(step.DModel, count, step.DSae, generator),
            KaimingUniform.DecoderRows(count, step.DModel, generator));
        stepsSinceFired.index_fill_(0, dead, 0);
        return count;
    }

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
