using System.ComponentModel;

namespace Parsimony.Activations;

/// <summary>How activations are written to a cache.</summary>
public sealed record ActivationCacheOptions
{
    /// <summary>How numbers are stored. Default <see cref="CachePrecision.Bf16"/>: half the disk, each number off by at most 1 part in 512.</summary>
    [Description("how numbers are stored; bf16 rounds to 8 bits and takes half the disk")]
    public CachePrecision Precision { get; init; } = CachePrecision.Bf16;

    /// <summary>Tokens of a shard, rounded to whole forward passes; what a kill loses at most, and what is held in memory (width * 4 bytes each,
    /// at every hook point). Default 131,072.</summary>
    [Description("tokens of a shard: what a kill loses at most, and what is held in memory")]
    public int ShardTokens { get; init; } = 131_072;

    /// <summary>Contexts in one forward pass of the model. Default 32.</summary>
    [Description("contexts in one forward pass while harvesting")]
    public int HarvestBatchContexts { get; init; } = 32;

    /// <summary>Whole forward passes that fit in a shard, in contexts; at least one.</summary>
    public int ContextsPerShard(int sequenceLength) =>
        Math.Max(1, ShardTokens / sequenceLength / HarvestBatchContexts) * HarvestBatchContexts;

    /// <summary>Returns these options, or says everything that is wrong with them.</summary>
    /// <exception cref="ArgumentException">One or more values are out of range; the message names every fault.</exception>
    public ActivationCacheOptions Validated()
    {
        var faults = new List<string>();
        if (!Enum.IsDefined(Precision)) faults.Add($"precision is {Precision}; allowed: bf16, fp32");
        if (ShardTokens < 1) faults.Add($"shard_tokens is {ShardTokens}; allowed: 1 or more");
        if (HarvestBatchContexts < 1) faults.Add($"harvest_batch_contexts is {HarvestBatchContexts}; allowed: 1 or more");
        return faults.Count == 0 ? this : throw new ArgumentException($"The cache options are wrong: {string.Join("; ", faults)}.");
    }
}
