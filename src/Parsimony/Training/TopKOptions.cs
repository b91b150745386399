using System.ComponentModel;

namespace Parsimony.Training;

/// <summary>How many latents may be active, and what becomes of those that never are: for topk, batchtopk, matryoshka_batchtopk and transcoders with k.</summary>
public sealed record TopKOptions
{
    /// <summary>Active latents per token, for BatchTopK on average; required for the TopK architectures. A transcoder without it learns with an L1 term. Default null.</summary>
    [Description("latents kept per token (topk, batchtopk, matryoshka_batchtopk; a transcoder without it uses L1)")]
    public int? K { get; init; }

    /// <summary>The k of the first step, when it shall fall (or rise) to <see cref="K"/>; null (default): it is <see cref="K"/> from the start.</summary>
    [Description("k of the first step, annealed linearly to k")]
    public int? KStart { get; init; }

    /// <summary>Tokens over which k goes from its start to its end. Default 0.</summary>
    [Description("tokens over which k goes linearly from k_start to k")]
    public long KAnnealTokens { get; init; }

    /// <summary>Dead latents that AuxK lets try on each token; null (default): half of the output's width, dictionary_learning's.</summary>
    [Description("dead latents tried on each token by AuxK; none: half of the width")]
    public int? AuxK { get; init; }

    /// <summary>Weight of the AuxK loss, 0: none. Default 1/32 (Gao et al. 2024).</summary>
    [Description("weight of the AuxK loss, 0: none")]
    public double AuxKCoefficient { get; init; } = 1.0 / 32;

    /// <summary>For AuxK a latent is dead when it was kept on none of this many last tokens. Default 10,000,000 (Gao et al. 2024).</summary>
    [Description("for AuxK: a latent is dead when it was kept on none of this many last tokens")]
    public long DeadAfterTokens { get; init; } = 10_000_000;

    /// <summary>Decay of the running mean that becomes the threshold, a step. Default 0.999 (dictionary_learning).</summary>
    [Description("decay of the threshold's running mean, a step")]
    public double ThresholdDecay { get; init; } = 0.999;

    /// <summary>Tokens after which the threshold becomes a running mean; until then it is the last batch's. Default 1,024,000 (dictionary_learning: 1,000 steps).</summary>
    [Description("tokens after which the threshold is a running mean, before that the last batch's")]
    public long ThresholdAfterTokens { get; init; } = 1_024_000;

    /// <summary>TopK only: save it as JumpReLU with the learnt threshold, which takes dials and needs no sorting. Default false.</summary>
    [Description("topk: save as JumpReLU with one learnt threshold")]
    public bool SaveAsJumprelu { get; init; }

    /// <summary>Matryoshka: the share of the latents in each group; a prefix is one group and all before it. They add up to 1.
    /// Default 1/32, 1/16, 1/8, 1/4, 17/32 (dictionary_learning).</summary>
    [Description("matryoshka_batchtopk: share of the latents in each group, adding up to 1")]
    public IReadOnlyList<double> GroupFractions { get; init; } = [1.0 / 32, 1.0 / 16, 1.0 / 8, 1.0 / 4, 17.0 / 32];

    /// <summary>Adds what is wrong with these options to a list.</summary>
    internal void Validate(OptionFaults faults, bool kRequired, int? dSae)
    {
        faults.Check(K is not null || !kRequired, "k", K, "1 or more, required for this architecture");
        faults.Check(K is null or >= 1 && (dSae is null || K is null || K <= dSae), "k", K, "1 to d_sae");
        faults.Check(KStart is null or >= 1 && (dSae is null || KStart is null || KStart <= dSae), "k_start", KStart, "1 to d_sae");
        faults.Check(KAnnealTokens >= 0, "k_anneal_tokens", KAnnealTokens, "0 or more");
        faults.Check(AuxK is null or >= 1, "aux_k", AuxK, "1 or more");
        faults.Check(AuxKCoefficient >= 0 && double.IsFinite(AuxKCoefficient), "aux_k_coefficient", AuxKCoefficient, "0 or more");
        faults.Check(DeadAfterTokens >= 1, "dead_after_tokens", DeadAfterTokens, "1 or more");
        faults.Check(ThresholdDecay is >= 0 and < 1, "threshold_decay", ThresholdDecay, "0 to below 1");
        faults.Check(ThresholdAfterTokens >= 0, "threshold_after_tokens", ThresholdAfterTokens, "0 or more");
        faults.Check(GroupFractions.Count > 0 && GroupFractions.All(f => f > 0) && Math.Abs(GroupFractions.Sum() - 1) < 1e-6, "group_fractions",
            $"[{string.Join(", ", GroupFractions)}]", "one or more above 0 that add up to 1");
    }
}
