using System.Text.Json;
using System.Text.Json.Serialization;
using Parsimony.Autoencoders;
using Parsimony.Exploration;
using Parsimony.Exploration.Index;
using Parsimony.Files;
using Parsimony.Models;
using Parsimony.Tokens;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Reporting;

/// <summary>
/// Features in the shape that SAEDashboard writes and Neuronpedia takes in: <c>batch-0.json</c>, <c>batch-1.json</c>, ... of 128 features each. What it has and the index has not stays empty: alignment with neurons (of
/// no meaning in a basis that is not privileged, such as an MLP's output) and correlations.
/// </summary>
internal static class NeuronpediaExport
{
    /// <summary>Features of a file.</summary>
    public const int BatchSize = 128;

    private const int Bars = 50;
    private static readonly JsonSerializerOptions Options = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, NumberHandling = JsonNumberHandling.Strict };

    /// <summary>A file of features.</summary>
    internal sealed record Batch(string ModelId, int Layer, string SaeSet, string SaeIdSuffix, IReadOnlyList<Feature> Features);

    /// <summary>A feature.</summary>
    internal sealed record Feature
    {
        public required int FeatureIndex { get; init; }
        public int[] NeuronAlignmentIndices { get; } = [];
        public double[] NeuronAlignmentValues { get; } = [];

        [JsonPropertyName("neuron_alignment_l1")]
        public double[] NeuronAlignmentL1 { get; } = [];

        public int[] CorrelatedNeuronsIndices { get; } = [];

        [JsonPropertyName("correlated_neurons_l1")]
        public double[] CorrelatedNeuronsL1 { get; } = [];

        public double[] CorrelatedNeuronsPearson { get; } = [];
        public int[] CorrelatedFeaturesIndices { get; } = [];

        [JsonPropertyName("correlated_features_l1")]
        public double[] CorrelatedFeaturesL1 { get; } = [];

        public double[] CorrelatedFeaturesPearson { get; } = [];
        public required string[] NegStr { get; init; }
        public required double[] NegValues { get; init; }
        public required string[] PosStr { get; init; }
        public required double[] PosValues { get; init; }
        public required double FracNonzero { get; init; }
        public required double[] FreqHistDataBarValues { get; init; }
        public required double[] FreqHistDataBarHeights { get; init; }
        public required double[] LogitsHistDataBarHeights { get; init; }
        public required double[] LogitsHistDataBarValues { get; init; }
        public required int NPromptsTotal { get; init; }
        public required int NTokensInPrompt { get; init; }
        public required string Dataset { get; init; }
        public double[] DecoderWeightsDist { get; } = [];
        public required Activation[] Activations { get; init; }
    }

    /// <summary>A passage with the latent's activation on each token; bin_min and bin_contains are -1 for the strongest contexts.</summary>
    internal sealed record Activation(double BinMin, double BinMax, double BinContains, string[] Tokens, double[] Values, int QualifyingTokenIndex);

    /// <summary>Writes the files.</summary>
    /// <param name="folder">Where to.</param>
    /// <param name="index">The features.</param>
    /// <param name="latents">Which.</param>
    /// <param name="model">The model, for histograms of direct logits.</param>
    /// <param name="sae">Its SAE.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="modelId">Neuronpedia's name of the model.</param>
    /// <param name="saeSet">Its name of the set of SAEs.</param>
    /// <param name="progress">Told how many features are written.</param>
    /// <param name="cancellation">Stops between two files.</param>
    /// <returns>Files written.</returns>
    public static int Write(string folder, FeatureIndex index, IReadOnlyList<int> latents, Transformer model, ISparseAutoencoder sae, Tokenizer tokenizer, string modelId, string saeSet,
        IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        int files = 0, done = 0;
        foreach (int[] some in latents.Chunk(BatchSize))
        {
            cancellation.ThrowIfCancellationRequested();
            var histograms = LogitHistograms(model, index.Header.Hook, sae, some);
            var batch = new Batch(modelId, index.Header.Hook.Layer, saeSet, "", [.. some.Select((latent, i) => Of(index, latent, tokenizer, histograms[i]))]);
            AtomicFile.WriteText(Path.Combine(folder, $"batch-{files++}.json"), JsonSerializer.Serialize(batch, Options));
            progress?.Report(done += some.Length);
        }
        return files;
    }

    /// <summary>One feature.</summary>
    internal static Feature Of(FeatureIndex index, int latent, Tokenizer tokenizer, (double[] Values, double[] Heights) logits)
    {
        var card = index.Card(latent);
        string Text(int id) => ShadedText.Decode(tokenizer.Bytes(id));
        Activation Passage(FeatureContext c, double low, double high, double share) => new(low, high, share, [.. c.Tokens.Select(t => Text(t.Id))], [.. c.Tokens.Select(t => Rounded(t.Activation))], c.PeakIndex);
        double width = card.MaxActivation / Bars;
        double[] heights = width > 0 ? card.Histogram.Spread([.. Enumerable.Range(0, Bars + 1).Select(bar => bar * width)], above: card.Histogram.Floor) : new double[Bars];
        return new Feature
        {
            FeatureIndex = latent,
            PosStr = [.. card.Promoted.Select(t => Text(t.Id))],
            PosValues = [.. card.Promoted.Select(t => Rounded(t.Logit))],
            NegStr = [.. card.Suppressed.Select(t => Text(t.Id))],
            NegValues = [.. card.Suppressed.Select(t => Rounded(t.Logit))],
            FracNonzero = card.Density,
            FreqHistDataBarValues = [.. Enumerable.Range(0, Bars).Select(bar => Rounded((bar + 0.5) * width))],
            FreqHistDataBarHeights = [.. heights.Select(Rounded)],
            LogitsHistDataBarValues = logits.Values,
            LogitsHistDataBarHeights = logits.Heights,
            NPromptsTotal = index.Header.Contexts,
            NTokensInPrompt = index.Header.SequenceLength,
            Dataset = index.Header.Text ?? "",
            Activations =
            [
                .. card.TopContexts.Select(c => Passage(c, -1, card.MaxActivation, -1)),
                .. card.Intervals.SelectMany(i => i.Samples.Select(c => Passage(c, i.Low, i.High, (double)i.Count / Math.Max(1, card.Fired)))),
            ],
        };
    }

    private static (double[] Values, double[] Heights)[] LogitHistograms(Transformer model, HookPoint at, ISparseAutoencoder sae, int[] latents)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        if (model.DirectLogits(at, sae.WDec.index_select(0, tensor(latents.Select(i => (long)i).ToArray(), device: sae.WDec.device))) is not { } logits)
            return [.. latents.Select(_ => (Array.Empty<double>(), Array.Empty<double>()))];
        var result = new (double[], double[])[latents.Length];
        for (int i = 0; i < latents.Length; i++)
        {
            float[] row = logits[i].to(ScalarType.Float32).cpu().data<float>().ToArray();
            double low = row.Min(), width = Math.Max((row.Max() - low) / Bars, 1e-12);
            var heights = new double[Bars];
            foreach (float x in row) heights[Math.Min(Bars - 1, (int)((x - low) / width))]++;
            result[i] = ([.. Enumerable.Range(0, Bars).Select(bar => Rounded(low + (bar + 0.5) * width))], heights);
        }
        return result;
    }

    private static double Rounded(double value) => Math.Round(value, 4);

    private static double Rounded(float value) => Math.Round(value, 4);
}
