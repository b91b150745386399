namespace Parsimony.Tools.LanguageModel;

/// <summary>
/// The learning rate's course (warm-up, stay, decay; Hu et al. 2024, section 4): up in a straight line, then constant, then down to
/// zero in a straight line. The last part can be moved while training, so a run can be ended early and well.
/// </summary>
/// <param name="WarmUpSteps">Steps of the way up.</param>
/// <param name="DecayFromStep">Where the way down begins.</param>
/// <param name="Steps">Where it ends.</param>
public readonly record struct WarmStayDecay(long WarmUpSteps, long DecayFromStep, long Steps)
{
    /// <summary>The factor, 0 to 1, for the step of this number, counted from 0.</summary>
    public double At(long step) => Math.Min(
        Math.Min(1, (step + 1) / (double)Math.Max(1, WarmUpSteps)),
        Math.Clamp((Steps - step) / (double)Math.Max(1, Steps - DecayFromStep), 0, 1));
}
