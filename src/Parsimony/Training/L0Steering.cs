namespace Parsimony.Training;

/// <summary>
/// The article's final version: beta is constant for a warm-up, then adjusted until the mean L0 meets a target.
/// </summary>
/// <remarks>
/// A proportional-integral controller in log space, because L0 answers to ratios of beta: with e = ln(L0 / target), clipped to ±1, each
/// observation does <c>ln β += gain · e + (e - e before)</c>. It rests when L0 closes on the target by the factor exp(-gain) per observation; L0
/// answers late, so a greater hurry would overshoot. The gain is 500 / steps of the run, 0.005 to 0.1: a beta that starts ten times
/// wrong is corrected in about 5 % of the run.
/// </remarks>
public sealed class L0Steering
{
    /// <summary>Steps whose mean L0 makes one observation.</summary>
    public const int EverySteps = 10;

    private const double LargestError = 1;
    private readonly double? target;
    private readonly double gain;

    /// <summary>A controller that starts at a coefficient.</summary>
    /// <param name="coefficient">The first beta; above 0 when there is a target.</param>
    /// <param name="targetL0">Mean active latents per token to reach; null: beta never moves.</param>
    /// <param name="steps">Steps of the whole run.</param>
    public L0Steering(double coefficient, double? targetL0, long steps)
    {
        (Coefficient, target) = (coefficient, targetL0);
        gain = Math.Clamp(500.0 / steps, 0.005, 0.1);
    }

    /// <summary>The beta to use now.</summary>
    public double Coefficient { get; private set; }

    /// <summary>ln(L0 / target) at the last observation, clipped; null before the first.</summary>
    public double? Error { get; private set; }

    /// <summary>Takes in a measured L0 and, when asked to, moves beta.</summary>
    /// <param name="meanL0">Mean active latents per token over the last <see cref="EverySteps"/> steps.</param>
    /// <param name="steer">False during the warm-up: the measurement is only remembered.</param>
    public void Observe(double meanL0, bool steer)
    {
        if (target is not { } wanted) return;
        double error = meanL0 > 0 ? Math.Clamp(Math.Log(meanL0 / wanted), -LargestError, LargestError) : -LargestError;
        if (steer) Coefficient *= Math.Exp(gain * error + error - (Error ?? error));
        Error = error;
    }

    /// <summary>Goes on from a checkpoint.</summary>
    public void Restore(double coefficient, double? error) => (Coefficient, Error) = (coefficient, error);
}
