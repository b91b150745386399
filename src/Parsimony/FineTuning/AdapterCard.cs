using System.Globalization;
using System.Text;
using Parsimony.Splicing;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning;

/// <summary>The adapter's model card.</summary>
internal static class AdapterCard
{
    public static string Write(IReadOnlyList<FeatureDials> dials, AdapterMetadata m)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var card = new StringBuilder();
        card.Append(CultureInfo.InvariantCulture, $"""
            ---
            library_name: parsimony
            base_model: {m.BaseModelName}
            tags:
            - sparse-autoencoder
            - feature-dials
            ---

            # Feature dials at `{string.Join("`, `", m.Hooks.Select(h => h.At))}`

            Two vectors, scale c and shift d, one number of each per latent of a sparse autoencoder. The latents become
            `relu(c * ((x - b_dec) W_enc + b_enc) + d)`; the model and the autoencoder are unchanged.

            | | |
            |---|---|
            | base model | {m.BaseModelName}, SHA-256 `{m.BaseModelSha256}` |
            | splice mode | {(m.Mode is SpliceMode.Replace ? "replace: the reconstruction takes the activation's place" : "delta: only the change is added")} |
            | acts at | {m.Positions switch { TokenPositions.Prompt => "the prompt's tokens", TokenPositions.Response => "the response's tokens", _ => "all tokens" }} |
            | trainable parameters | {dials.Sum(d => (long)d.TrainableParameters)} |

            """);
        foreach (var (its, hook) in dials.Zip(m.Hooks))
        {
            var c = its.Scale();
            long amplified = c.gt(1).sum().item<long>(), inhibited = c.lt(1).sum().item<long>(), inverted = c.lt(0).sum().item<long>();
            card.Append(CultureInfo.InvariantCulture, $"""
                | autoencoder at `{hook.At}` | {hook.SaeName}, SHA-256 `{hook.SaeSha256}` |
                | scales above 1 | {amplified} of {its.DSae} |
                | scales below 1 | {inhibited} of {its.DSae} ({inverted} below 0) |

                """);
        }
        foreach (var (name, value) in m.Results) card.Append(CultureInfo.InvariantCulture, $"| {name.Replace('_', ' ')} | {value:G6} |\n");
        card.Append("""

            A scale other than 1 does not by itself mean that a feature mattered: compare with a null run on shuffled labels.
            It is refused on any other model or autoencoder.

            """);
        return card.ToString().ReplaceLineEndings("\n");
    }
}
