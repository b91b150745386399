using Parsimony.Explorer.Model;
using Parsimony.Models;

namespace Parsimony.Explorer.Comparing;

/// <summary>What is to be written twice, at rest and edited.</summary>
internal sealed record GenerationRequest
{
    /// <summary>What to go on from; empty: from the tokenizer's start.</summary>
    public string Prompt { get; init; } = "";

    /// <summary>Name of the adapter; null: none.</summary>
    public string? Adapter { get; init; }

    /// <summary>-1 to 2; 0 is rest, 1 what was learned.</summary>
    public double Weight { get; init; } = 1;

    /// <summary>Latents whose learned dials are at rest.</summary>
    public int[] Off { get; init; } = [];

    /// <summary>Latents changed by hand, as in an address: <c>12c0.5d-0.1_9x4</c>.</summary>
    public string? Edit { get; init; }

    /// <summary>New tokens of each side at most.</summary>
    public int MaxNewTokens { get; init; } = 48;

    /// <summary>Divides the logits; 0 is greedy.</summary>
    public double Temperature { get; init; } = 1;

    /// <summary>Seed of both sides.</summary>
    public long Seed { get; init; }

    /// <summary>How tokens are drawn.</summary>
    /// <param name="options">The explorer's.</param>
    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    public SamplingOptions Sampling(ExplorerOptions options) => MaxNewTokens <= options.MaxNewTokens
        ? new SamplingOptions { MaxNewTokens = MaxNewTokens, Temperature = Temperature, Seed = Seed }.Validated()
        : throw new ArgumentException($"{MaxNewTokens} new tokens are asked for; this explorer writes {options.MaxNewTokens} at most.");

    /// <summary>The two sides: the adapter at rest, and as edited. Without an adapter the plain model is at rest.</summary>
    /// <param name="dSae">Number of latents.</param>
    /// <exception cref="ArgumentException">The edits are none of this SAE's.</exception>
    public IReadOnlyList<FeatureEdits> Sides(int dSae)
    {
        var edits = FeatureEdits.Parse(Adapter, Weight.ToString(System.Globalization.CultureInfo.InvariantCulture), string.Join('.', Off), Edit, dSae);
        return [AtRest(edits), edits];
    }

    /// <summary>An adapter's model with all of it at rest.</summary>
    public static FeatureEdits AtRest(FeatureEdits edits) => new() { Adapter = edits.Adapter, Weight = 0 };
}
