using System.Text.Json.Serialization;
using Parsimony.Evaluation;
using Parsimony.Models;
using Parsimony.Text;

namespace Parsimony.Reporting;

/// <summary>Under what conditions an evaluation's figures were measured - losses under others are not comparable - and what follows from its losses alone.</summary>
public sealed record EvaluationSummary
{
    /// <summary>How the text was cut and which tokens were predicted.</summary>
    public required Protocol Protocol { get; init; }

    /// <summary>Tokens of a context or window.</summary>
    public required int SequenceLength { get; init; }

    /// <summary>Tokens by which windows move on; null under the article's protocol.</summary>
    public int? Stride { get; init; }

    /// <summary>How the model's matrices were kept.</summary>
    public WeightStorage Weights { get; init; }

    /// <summary>SHA-256 of the adapter that the model is tuned by; null: it is as it is.</summary>
    public string? AdapterSha256 { get; init; }

    /// <summary>The form the text is in.</summary>
    public required TextForm Form { get; init; }

    /// <summary>Whether WikiText was turned back into text before it was tokenised.</summary>
    public required bool Detokenised { get; init; }

    /// <summary>Tokens predicted; the losses are means over them.</summary>
    public required long PredictedTokens { get; init; }

    /// <summary>exp of the plain model's loss, per token.</summary>
    public required double PerplexityClean { get; init; }

    /// <summary>The same with the autoencoder's reconstruction in place.</summary>
    public required double PerplexitySpliced { get; init; }

    /// <summary>Words of WikiText before it was detokenised; null where not every token but the first of the whole text is predicted, and for other texts.</summary>
    public long? Words { get; init; }

    /// <summary>exp(nats of the whole text / <see cref="Words"/>), plain model.</summary>
    public double? WordPerplexityClean { get; init; }

    /// <summary>The same with the autoencoder's reconstruction in place.</summary>
    public double? WordPerplexitySpliced { get; init; }

    /// <summary>Tokens of the text per second of measuring losses, activations and sparsity, tokenising and layer sweep not included.</summary>
    public required double TokensPerSecond { get; init; }

    /// <summary>Wall-clock seconds of the layer sweep; null when not run.</summary>
    public double? LayerSweepSeconds { get; init; }

    /// <summary>What the layer sweep cost by arithmetic; null when not run.</summary>
    public LayerSweepCost? LayerSweepCost { get; init; }

    /// <summary>SHA-256, hexadecimal, of all that the figures depend on: model, autoencoder, windows, options, version. The same again need not be measured again.</summary>
    public required string Identity { get; init; }

    /// <summary>The conditions in words.</summary>
    [JsonIgnore]
    public string Conditions => (Protocol == Protocol.Article
        ? $"article's protocol: contexts of {SequenceLength} tokens that do not overlap, all but the first token of each predicted"
        : $"strided protocol: windows of {SequenceLength} tokens that move on by {Stride}, all but the text's first token predicted once") + Form switch
        {
            TextForm.WikitextTokens => "; WikiText's tokens form (<unk>, words spaced apart)",
            TextForm.WikitextRaw => "; WikiText's raw form (words spaced apart)",
            _ => "",
        } + (Detokenised ? ", detokenised" : "") + (Weights == WeightStorage.Fp32 ? "" : $"; the model's weights in {Weights.Name()}")
        + (AdapterSha256 is null ? "" : $"; in the model tuned by the adapter {AdapterSha256[..12]}");
}
