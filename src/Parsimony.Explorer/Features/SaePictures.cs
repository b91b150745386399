using System.Text.Json.Nodes;
using Parsimony.Exploration.Index;
using Parsimony.Explorer.Parts;
using Parsimony.Reporting;

namespace Parsimony.Explorer.Features;

/// <summary>The pictures of an SAE, and its file's words for people.</summary>
public static class SaePictures
{
    private static readonly (string Key, string Name)[] Known =
    [
        ("architecture", "architecture"), ("d_in", "width of the activations"), ("d_sae", "latents"), ("k", "latents kept per token"), ("apply_b_dec_to_input", "b_dec taken from the input"),
        ("normalize_activations", "input normalised"), ("dtype", "numbers"), ("hook_point", "hook point"), ("hook_name", "hook in SAELens’ words"), ("model_name", "model"), ("model_weights", "model’s weights in"),
        ("dataset_path", "text"), ("training_tokens", "tokens trained on"), ("context_size", "tokens of a context"), ("l1_coefficient", "L1 coefficient at the end"), ("seed", "seed"), ("loss_convention", "loss"),
        ("decoder_constraint", "decoder"), ("trained_by", "trained by"), ("model_sha256", "SHA-256 of the model"), ("tokenizer_sha256", "SHA-256 of the tokenizer"),
    ];

    /// <summary>What cfg.json says, in an order for people.</summary>
    public static IEnumerable<(string Name, string Value)> Facts(JsonObject config)
    {
        foreach (var (key, name) in Known)
        {
            if ((config[key] ?? config["metadata"]?[key]) is not { } value) continue;
            yield return (name, value is JsonValue number && number.TryGetValue(out long whole) && whole >= 10000 ? Number.Count(whole) : value.ToString());
            if (key == "d_sae" && config["d_in"] is JsonValue width && width.TryGetValue(out int d) && d > 0 && config["d_sae"] is JsonValue latents && latents.TryGetValue(out int n)) yield return ("expansion", Number.Text((double)n / d));
        }
    }

    /// <summary>The loss with the SAE in each layer, beside that with the layer at zero.</summary>
    /// <param name="sweep">The layers.</param>
    /// <param name="clean">Loss of the plain model, a line across.</param>
    public static Plot Sweep(IReadOnlyList<LayerSweepEntry> sweep, double clean)
    {
        double most = sweep.Max(l => Math.Max(l.CeSpliced, l.CeZeroAblated ?? clean)), least = Math.Min(clean, sweep.Min(l => Math.Min(l.CeSpliced, l.CeZeroAblated ?? clean)));
        double middle = (sweep.Count - 1) / 2.0, half = Math.Max(sweep.Count, 5.3) / 2; // so wide that ticks fall on layers
        var plot = new Plot((middle - half, middle + half), (Math.Max(0, least - 0.15 * (most - least)), most + 0.05 * (most - least)), "layer", "loss");
        foreach (var (layer, at) in sweep.Select((l, i) => (l, (double)i)))
        {
            plot.Bars([at - 0.36, at - 0.02], [layer.CeSpliced]);
            if (layer.CeZeroAblated is { } zero) plot.Bars([at + 0.02, at + 0.36], [zero], "third");
        }
        return plot.Line([middle - half, middle + half], [clean, clean], "second");
    }

    /// <summary>Latents by density; the axis is log10.</summary>
    public static Plot Density(DensityHistogram density) =>
        new Plot((Math.Pow(10, density.Log10Edges[0]), 1), (0, Math.Max(1, density.Counts.Max()) * 1.04), "share of the tokens fired on", "latents", logX: true).Bars([.. density.Log10Edges.Select(e => Math.Pow(10, e))], [.. density.Counts.Select(c => (double)c)]);

    /// <summary>Latents by the cosine of their decoder row with the one most like it.</summary>
    public static Plot NearestCosine(Histogram histogram) =>
        new Plot((histogram.Edges[0], histogram.Edges[^1]), (0, Math.Max(1, histogram.Counts.Max()) * 1.04), "largest cosine with another latent", "latents").Bars(histogram.Edges, [.. histogram.Counts.Select(c => (double)c)]);

    /// <summary>Latents as points, each a link to its page.</summary>
    /// <param name="index">The latents.</param>
    /// <param name="shown">Those that are drawn.</param>
    public static Plot DensityAgainstMaximum(FeatureIndex index, IReadOnlyList<int> shown)
    {
        float[] density = index.Density.ToArray(), max = index.Max.ToArray();
        var (x, y) = (Plot.Ends(shown.Select(i => (double)density[i])), Plot.Ends(shown.Select(i => (double)max[i])));
        return new Plot((x.Low / 1.2, Math.Min(1, x.High * 1.2)), (y.Low / 1.2, y.High * 1.2), "share of the tokens fired on", "maximum", logX: true, logY: true, width: 1100, height: 380)
            .Points(shown.Select(i => ((double)density[i], (double)max[i], (string?)$"latent {i}: {Number.Percent(density[i])}, maximum {Number.Text(max[i])}", (string?)$"features/{i}")));
    }
}
