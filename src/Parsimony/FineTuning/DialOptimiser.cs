using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning;

/// <summary>How dials are stepped; see the options of the same names.</summary>
internal sealed record DialRule(double LearningRate, double WeightDecay, bool DecayOnScale, double? MinScale, double GroupLasso);

/// <summary>The dials with all that moves them, whatever the gradient comes from: AdamW on gamma = c - 1 and d, then the group lasso, the least
/// scale, and the latents that rest.</summary>
internal sealed class DialOptimiser : IDisposable
{
    private readonly DialRule rule;
    private readonly AdamW gammaOptimiser, shiftOptimiser;
    private readonly Tensor? resting; // [d_sae], of latents whose dials may not move
    private bool given;

    /// <summary>Identity dials.</summary>
    /// <param name="at">The hook point of the SAE.</param>
    /// <param name="dSae">Its latents.</param>
    /// <param name="rule">How they are stepped.</param>
    /// <param name="mayMove">Bool, <c>[d_sae]</c>; null: every latent.</param>
    public DialOptimiser(HookPoint at, int dSae, DialRule rule, Tensor? mayMove)
    {
        this.rule = rule;
        resting = mayMove?.logical_not().DetachFromDisposeScope();
        Dials = new FeatureDials(at, dSae);
        gammaOptimiser = new AdamW(Dials.Gamma, rule.LearningRate, rule.WeightDecay, rule.DecayOnScale ? -1 : 0); // c = 0: gamma = -1
        shiftOptimiser = new AdamW(Dials.Shift, rule.LearningRate, rule.WeightDecay);
    }

    public FeatureDials Dials { get; }

    /// <summary>Steps made; with <see cref="Tensors"/> the whole state.</summary>
    public long Steps
    {
        get => gammaOptimiser.Steps;
        set => gammaOptimiser.Steps = shiftOptimiser.Steps = value;
    }

    /// <summary>How many numbers are learnt: c and d of each latent that may move.</summary>
    public int TrainableParameters
    {
        get
        {
            using var scope = NewDisposeScope();
            return 2 * (int)(Dials.DSae - (resting?.sum().item<long>() ?? 0));
        }
    }

    /// <summary>One step down the gradients of gamma and d, which are changed.</summary>
    /// <param name="gradients">gamma's and d's, <c>[d_sae]</c> each.</param>
    /// <param name="maxNorm">The two together are shortened to this length where they are longer; null: never.</param>
    /// <returns>Their length before that, of the latents that may move; a scalar in the caller's scope.</returns>
    public Tensor Step(IList<Tensor> gradients, double? maxNorm = null)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        KeepResting(gradients);
        var norm = (gradients[0].square().sum() + gradients[1].square().sum()).sqrt();
        if (maxNorm is { } most)
        {
            var shortened = (most / (norm + 1e-6)).clamp_max(1);
            foreach (var g in gradients) g.mul_(shortened);
        }
        gammaOptimiser.Step(gradients[0]);
        shiftOptimiser.Step(gradients[1]);
        KeepResting([Dials.Gamma, Dials.Shift]);                             // decay of c moves gamma by itself
        GroupLasso.Shrink(Dials.Gamma, Dials.Shift, rule.LearningRate * rule.GroupLasso);
        if (rule.MinScale is { } least) Dials.Gamma.clamp_min_(least - 1);
        return norm.MoveToOuterDisposeScope();
    }

    /// <summary>How far the dials are from rest.</summary>
    public (double GammaRms, double ShiftRms, long LatentsChanged) Distance()
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        double RootMeanSquare(Tensor t) => Math.Sqrt(t.square().mean().item<float>());
        return (RootMeanSquare(Dials.Gamma), RootMeanSquare(Dials.Shift), GroupLasso.Changed(Dials.Gamma, Dials.Shift));
    }

    /// <summary>Everything but <see cref="Steps"/>, by the names of a checkpoint; the tensors stay this object's and may be copied into.</summary>
    public Dictionary<string, Tensor> Tensors() => new()
    {
        ["gamma"] = Dials.Gamma,
        ["gamma.exp_avg"] = gammaOptimiser.FirstMoment,
        ["gamma.exp_avg_sq"] = gammaOptimiser.SecondMoment,
        ["shift"] = Dials.Shift,
        ["shift.exp_avg"] = shiftOptimiser.FirstMoment,
        ["shift.exp_avg_sq"] = shiftOptimiser.SecondMoment,
    };

    /// <summary>The dials are the caller's from here on.</summary>
    public FeatureDials GiveDials()
    {
        given = true;
        return Dials;
    }

    private void KeepResting(IEnumerable<Tensor> tensors)
    {
        if (resting is null) return;
        foreach (var t in tensors) t.masked_fill_(resting, 0);
    }

    public void Dispose()
    {
        if (!given) Dials.Dispose();
        gammaOptimiser.Dispose();
        shiftOptimiser.Dispose();
        resting?.Dispose();
    }
}
