namespace Parsimony.Training;

/// <summary>Learning rate and L1 weight as functions of the tokens seen before a step.</summary>
public static class Schedules
{
    /// <summary>The learning rate of the next step: <c>lr · min(1, seen / warm-up) · min(1, (total - seen) / decay)</c>.
    /// With a warm-up the very first step has rate 0.</summary>
    /// <param name="options">Rate and lengths.</param>
    /// <param name="tokensSeen">Tokens trained on before the step.</param>
    public static double LearningRate(SaeTrainingOptions options, long tokensSeen) =>
        options.LearningRate
        * Ramp(tokensSeen, options.LearningRateWarmUpTokens)
        * Ramp(options.TrainingTokens - tokensSeen, options.LearningRateDecayTokens);

    /// <summary>The share of the L1 coefficient that the next step uses: <c>min(1, seen / warm-up)</c>.</summary>
    /// <param name="options">Length of the warm-up.</param>
    /// <param name="tokensSeen">Tokens trained on before the step.</param>
    public static double L1Factor(SaeTrainingOptions options, long tokensSeen) => Ramp(tokensSeen, options.L1WarmUpTokens);

    /// <summary>The k of the next step: linear from k_start to k, rounded.</summary>
    /// <param name="options">Both ends and the length; k must be set.</param>
    /// <param name="tokensSeen">Tokens trained on before the step.</param>
    public static int K(TopKOptions options, long tokensSeen)
    {
        int end = options.K!.Value, start = options.KStart ?? end;
        return (int)Math.Round(start + (end - start) * Ramp(tokensSeen, options.KAnnealTokens));
    }

    private static double Ramp(long tokens, long length) => length == 0 ? 1 : Math.Min(1, (double)tokens / length);
}
