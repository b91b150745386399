using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Policy;

/// <summary>What a response's distance from its group's mean is divided by.</summary>
public enum GroupScaling
{
    /// <summary>The group's own standard deviation (n - 1) + 1e-4 (Shao et al. 2024, GRPO). The default.</summary>
    Group,

    /// <summary>The standard deviation (n - 1) of all rewards of the batch + 1e-4.</summary>
    Batch,

    /// <summary>Nothing: easy and hard prompts weigh by what there is to gain (Liu et al. 2025, Dr. GRPO).</summary>
    None,
}

/// <summary>Advantages of responses against the others to the same prompt; they sum to 0 in each group, and need no critic.</summary>
/// <param name="Advantages"><c>[batch]</c>.</param>
/// <param name="Means">Mean reward of each response's group, <c>[batch]</c>.</param>
/// <param name="Deviations">Standard deviation of each response's group, n - 1, <c>[batch]</c>; 0 where a group teaches nothing.</param>
public sealed record GroupAdvantages(Tensor Advantages, Tensor Means, Tensor Deviations) : IDisposable
{
    private const double Epsilon = 1e-4;

    /// <summary>GRPO's: <c>A = (R - mean) / (std + 1e-4)</c> (Shao et al. 2024, section 4.1.2; the epsilon is TRL's).</summary>
    /// <param name="rewards"><c>[batch]</c>; the responses to one prompt stand side by side.</param>
    /// <param name="groupSize">Responses to a prompt, 2 or more.</param>
    /// <param name="scaling">What to divide by. Default the group's standard deviation.</param>
    /// <exception cref="ArgumentException">The batch is not whole groups.</exception>
    public static GroupAdvantages Of(Tensor rewards, int groupSize, GroupScaling scaling = GroupScaling.Group)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var groups = Grouped(rewards, groupSize);                            // [prompts, group]
        var mean = groups.mean([1L], keepdim: true);
        var deviation = groups.std(1, unbiased: true, keepdim: true);
        var centred = groups - mean;
        var advantages = scaling switch
        {
            GroupScaling.Group => centred / (deviation + Epsilon),
            GroupScaling.Batch => centred / (rewards.std() + Epsilon),
            _ => centred,
        };
        Tensor PerResponse(Tensor x) => x.expand_as(groups).reshape(-1).MoveToOuterDisposeScope();
        return new GroupAdvantages(PerResponse(advantages), PerResponse(mean), PerResponse(deviation));
    }

    /// <summary>RLOO's: the reward less the mean of the group's other responses (Kool et al. 2019; Ahmadian et al. 2024, section 3.3).</summary>
    /// <param name="rewards"><c>[batch]</c>; the responses to one prompt stand side by side. A KL penalty is taken off before, summed over
    /// the response's tokens.</param>
    /// <param name="groupSize">Responses to a prompt, 2 or more.</param>
    /// <returns><c>[batch]</c>.</returns>
    /// <exception cref="ArgumentException">The batch is not whole groups.</exception>
    public static Tensor LeaveOneOut(Tensor rewards, int groupSize)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var groups = Grouped(rewards, groupSize);
        var others = (groups.sum([1L], keepdim: true) - groups) / (groupSize - 1);
        return (groups - others).reshape(-1).MoveToOuterDisposeScope();
    }

    private static Tensor Grouped(Tensor rewards, int groupSize)
    {
        if (groupSize < 2 || rewards.dim() != 1 || rewards.size(0) == 0 || rewards.size(0) % groupSize != 0) throw new ArgumentException(
            $"rewards of shape [{string.Join(", ", rewards.shape)}] in groups of {groupSize}; expected [batch] with 2 or more responses to each "
            + "prompt and no group cut short.", nameof(rewards));
        return rewards.view(-1, groupSize);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Advantages.Dispose();
        Means.Dispose();
        Deviations.Dispose();
    }
}
