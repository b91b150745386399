using System.ComponentModel;

namespace Parsimony.Activations;

/// <summary>How activations are harvested and shuffled.</summary>
public sealed record ActivationBufferOptions
{
    /// <summary>Rows of a batch. Default 1024, the article's 8 contexts of 128 tokens.</summary>
    [Description("tokens of a training batch")]
    public int BatchTokens { get; init; } = 1024;

    /// <summary>Activations held at once and shuffled together; all of an epoch is kept and harvested only once when it fits.
    /// Takes width * 4 bytes each, at every hook point. Default 131,072.</summary>
    [Description("activations held and shuffled together")]
    public int BufferTokens { get; init; } = 131_072;

    /// <summary>Contexts in one forward pass of the model. Default 32.</summary>
    [Description("contexts in one forward pass while harvesting")]
    public int HarvestBatchContexts { get; init; } = 32;

    /// <summary>Whether the next block is harvested on a thread of its own while training uses up the present one. The stream is the same; two
    /// blocks are in memory instead of one. Default true.</summary>
    [Description("harvest the next block beside training; two blocks are held instead of one")]
    public bool Prefetch { get; init; } = true;

    /// <summary>Seed of the shuffling. Default 0.</summary>
    [Description("seed of the shuffling")]
    public long Seed { get; init; }

    /// <summary>Returns these options, or says everything that is wrong with them.</summary>
    /// <exception cref="ArgumentException">One or more values are out of range; the message names every fault.</exception>
    public ActivationBufferOptions Validated()
    {
        var faults = new List<string>();
        if (BatchTokens < 1) faults.Add($"batch_tokens is {BatchTokens}; allowed: 1 or more");
        if (BufferTokens < BatchTokens) faults.Add($"buffer_tokens is {BufferTokens}; allowed: batch_tokens ({BatchTokens}) or more");
        if (HarvestBatchContexts < 1) faults.Add($"harvest_batch_contexts is {HarvestBatchContexts}; allowed: 1 or more");
        return faults.Count == 0 ? this : throw new ArgumentException($"The activation options are wrong: {string.Join("; ", faults)}.");
    }
}
