using System.ComponentModel;

namespace Parsimony.Models;

/// <summary>How text is generated.</summary>
public sealed record SamplingOptions
{
    /// <summary>New tokens per sequence at most; default 64.</summary>
    [Description("new tokens per sequence at most")]
    public int MaxNewTokens { get; init; } = 64;

    /// <summary>Divides the logits; 0 takes the most likely token (greedy). Default 1.</summary>
    [Description("divides the logits; 0 is greedy")]
    public double Temperature { get; init; } = 1;

    /// <summary>Sample among the k most likely tokens only; null for all.</summary>
    [Description("sample among the k most likely tokens only")]
    public int? TopK { get; init; }

    /// <summary>Sample among the fewest tokens whose probabilities reach this sum (nucleus, Holtzman et al. 2020); null for all.</summary>
    [Description("sample among the fewest tokens whose probabilities sum to this")]
    public double? TopP { get; init; }

    /// <summary>Seed of the generator; default 0.</summary>
    [Description("seed of the random generator")]
    public long Seed { get; init; }

    /// <summary>Whether a sequence ends at the end-of-text token; default true.</summary>
    [Description("end a sequence at the end-of-text token")]
    public bool StopAtEndOfText { get; init; } = true;

    /// <summary>Whether keys and values are cached; the result is the same, only slower without. Default true.</summary>
    [Description("keep keys and values of earlier tokens (same result, faster)")]
    public bool UseCache { get; init; } = true;

    /// <summary>These options, or one error that names every fault.</summary>
    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    public SamplingOptions Validated()
    {
        var faults = new List<string>();
        if (MaxNewTokens < 1) faults.Add($"max_new_tokens is {MaxNewTokens}; it must be 1 or more");
        if (!(Temperature >= 0) || double.IsInfinity(Temperature)) faults.Add($"temperature is {Temperature}; it must be 0 (greedy) or more");
        if (TopK is < 1) faults.Add($"top_k is {TopK}; it must be 1 or more");
        if (TopP is not (null or (> 0 and <= 1))) faults.Add($"top_p is {TopP}; it must lie in (0, 1]");
        return faults.Count == 0 ? this : throw new ArgumentException(string.Join("; ", faults) + ".");
    }
}
