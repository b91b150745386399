using System.Text.Json;
using System.Text.Json.Serialization;
using Parsimony.Files;
using Parsimony.FineTuning.Analysis;

namespace Parsimony.Reporting;

/// <summary>
/// Everything a run found out: the content of <c>report.json</c>, and with the run's curves all that <c>report.html</c> shows.
/// What a run did not do (no fine-tuning, say) is null; it is then absent from the file and from the page. Losses are nats per
/// token. Formulas: docs/metrics.md.
/// </summary>
public sealed record RunReport
{
    /// <summary>Loss of the plain model, nats per token.</summary>
    public double? CeClean { get; init; }

    /// <summary>Loss with the autoencoder's reconstruction in place of the activation, nats per token.</summary>
    public double? CeSpliced { get; init; }

    /// <summary>Loss with the activation set to zero, nats per token.</summary>
    public double? CeZeroAblated { get; init; }

    /// <summary>Loss with the activation set to its mean, nats per token.</summary>
    public double? CeMeanAblated { get; init; }

    /// <summary><c>(CeZeroAblated - CeSpliced) / (CeZeroAblated - CeClean)</c>; 1 is perfect, below 0 is worse than nothing.</summary>
    public double? CeLossRecovered { get; init; }

    /// <summary>The same with <see cref="CeMeanAblated"/> in the place of <see cref="CeZeroAblated"/>.</summary>
    public double? CeLossRecoveredFromMean { get; init; }

    /// <summary>KL(plain || with the reconstruction) of the next-token distributions, nats per token.</summary>
    public double? KlSpliced { get; init; }

    /// <summary>KL(plain || activation at zero), nats per token.</summary>
    public double? KlZeroAblated { get; init; }

    /// <summary>KL(plain || activation at its mean), nats per token.</summary>
    public double? KlMeanAblated { get; init; }

    /// <summary><c>(KlZeroAblated - KlSpliced) / KlZeroAblated</c>; 1 is perfect, below 0 is worse than nothing.</summary>
    public double? KlScore { get; init; }

    /// <summary>Tokens of the evaluation text: what every fraction of latents below was counted over.</summary>
    public long? EvaluatedTokens { get; init; }

    /// <summary>The evaluation text, for people: a file's name, or <c>held-out 5 % of FILE, n documents</c>.</summary>
    public string? EvaluatedText { get; init; }

    /// <summary>Whether the evaluation text is another file than the autoencoder was trained on, or documents that were held out of it; null when that is not known.</summary>
    public bool? HeldOut { get; init; }

    /// <summary>Under what conditions all these were measured.</summary>
    public EvaluationSummary? Evaluation { get; init; }

    /// <summary>Mean squared length of the residual, squared activation units.</summary>
    public double? Mse { get; init; }

    /// <summary>1 minus squared residual over squared deviation from the mean.</summary>
    public double? ExplainedVariance { get; init; }

    /// <summary>1 minus <see cref="ExplainedVariance"/>.</summary>
    public double? Fvu { get; init; }

    /// <summary>The mean over tokens of each token's own explained variance, which others have published as the explained variance.</summary>
    public double? ExplainedVarianceLegacy { get; init; }

    /// <summary>Mean cosine of activation and reconstruction.</summary>
    public double? Cosine { get; init; }

    /// <summary>Mean length of the reconstruction over that of the activation.</summary>
    public double? L2Ratio { get; init; }

    /// <summary>Mean squared length of the reconstruction over its mean product with the activation; below 1 is shrinkage.</summary>
    public double? RelativeReconstructionBias { get; init; }

    /// <summary>Mean number of active latents per token.</summary>
    public double? L0 { get; init; }

    /// <summary>Mean sum of the latents, activation units.</summary>
    public double? L1 { get; init; }

    /// <summary>Number of latents.</summary>
    public int? DSae { get; init; }

    /// <summary>Fraction of latents that fired on no token of the evaluation text.</summary>
    public double? DeadFraction { get; init; }

    /// <summary>Fraction of latents that fired on more than a tenth of the tokens of the evaluation text.</summary>
    public double? DenseFraction { get; init; }

    /// <summary>Mean over latents of the largest cosine of a decoder row with another.</summary>
    public double? DecoderMaxCosineMean { get; init; }

    /// <summary>0.95 quantile of the same.</summary>
    public double? DecoderMaxCosineP95 { get; init; }

    /// <summary>Mean cosine of encoder column and decoder row.</summary>
    public double? EncoderDecoderCosineMean { get; init; }

    /// <summary>Loss with this autoencoder in every layer at the same site, in the order of the layers.</summary>
    public IReadOnlyList<LayerSweepEntry>? LayerSweep { get; init; }

    /// <summary>What fine-tuning the dials did to held-out loss.</summary>
    public FinetuneSummary? Finetune { get; init; }

    /// <summary>What learning the dials from preference pairs did.</summary>
    public DpoSummary? Dpo { get; init; }

    /// <summary>What learning the dials from rewards did.</summary>
    public RlhfSummary? Rlhf { get; init; }

    /// <summary>What the dials changed, and what of it is more than noise; of several hook points the first one's.</summary>
    public DialAnalysis? Analysis { get; init; }

    /// <summary>The same of the other hook points, in the order of the pass; null where there is one.</summary>
    public IReadOnlyList<DialAnalysis>? FurtherAnalyses { get; init; }

    /// <summary>What each hook point and each feature has of the whole change; null where there is one hook point.</summary>
    public JointLedger? JointLedger { get; init; }

    /// <summary>Wall-clock seconds of each step, in the order they ran.</summary>
    public IReadOnlyDictionary<string, double>? Seconds { get; init; }

    /// <summary>Tokens the autoencoder was trained on.</summary>
    public long? TokensSeen { get; init; }

    /// <summary>The seed of the run.</summary>
    public long? Seed { get; init; }

    /// <summary>Version of Parsimony.</summary>
    public required string Version { get; init; }

    /// <summary>When the report was written.</summary>
    public DateTimeOffset? Date { get; init; }

    /// <summary>The exact command.</summary>
    public string? Command { get; init; }

    /// <summary>Name of the model, for people.</summary>
    public string? ModelName { get; init; }

    /// <summary>Where the autoencoder sits, such as <c>blocks.1.mlp_out</c>.</summary>
    public string? Hook { get; init; }

    /// <summary>SHA-256 of the model's weights, hexadecimal.</summary>
    public string? ModelSha256 { get; init; }

    /// <summary>SHA-256 of the autoencoder, hexadecimal.</summary>
    public string? SaeSha256 { get; init; }

    /// <summary>SHA-256 of the tokenizer file, hexadecimal.</summary>
    public string? TokenizerSha256 { get; init; }

    /// <summary>How often the latents fire.</summary>
    public DensityHistogram? Density { get; init; }

    /// <summary>The dials after fine-tuning.</summary>
    public DialSummary? Dials { get; init; }

    /// <summary>Latents chosen to be looked at.</summary>
    public IReadOnlyList<FeaturePanel>? Features { get; init; }

    /// <summary>The latents whose dials moved the layer's output most, largest first.</summary>
    public IReadOnlyList<FeaturePanel>? MostMoved { get; init; }

    /// <summary>Text written by the model before and after fine-tuning.</summary>
    public IReadOnlyList<TextSample>? Samples { get; init; }

    private static readonly JsonSerializerOptions Indented = WithoutNulls(Json.Options), OneLine = WithoutNulls(Json.Line);

    /// <summary>The report as JSON, without what is null.</summary>
    /// <param name="indented">Over many lines, for people; else on one.</param>
    public string ToJson(bool indented = true) =>
        indented ? JsonSerializer.Serialize(this, Indented) + "\n" : JsonSerializer.Serialize(this, OneLine);

    /// <summary>Writes <c>report.json</c>, whole or not at all.</summary>
    /// <exception cref="IOException">The file cannot be written; nothing is left behind.</exception>
    public void Save(string path) => AtomicFile.WriteText(path, ToJson());

    /// <summary>Reads a <c>report.json</c>.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is no report of this version.</exception>
    public static RunReport Load(string path) => Json.Load<RunReport>(path);

    private static JsonSerializerOptions WithoutNulls(JsonSerializerOptions options) =>
        new(options) { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };
}
