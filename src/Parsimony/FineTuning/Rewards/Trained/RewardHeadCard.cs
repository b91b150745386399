using System.Globalization;
using System.Text;

namespace Parsimony.FineTuning.Rewards.Trained;

/// <summary>The reward model's card.</summary>
internal static class RewardHeadCard
{
    public static string Write(RewardHead head, RewardHeadConfig c)
    {
        var card = new StringBuilder();
        string what = c.IsReward ? "Reward model" : "Classifier";
        string read = c.SaeSha256 is not null ? $"the latents of a sparse autoencoder at `{c.Hook}`" : c.Hook is { } at ? $"the activation at `{at}`" : "the residual stream after the final norm";
        card.Append(CultureInfo.InvariantCulture, $"""
            ---
            library_name: parsimony
            base_model: {c.BaseModelName}
            tags:
            - {(c.IsReward ? "reward-model" : "text-classification")}
            ---

            # {what} on {c.BaseModelName}

            One linear layer on {read}, {(c.Pooling is RewardPooling.Last ? "of a text's last token" : "the mean over a text's tokens")}; the model is unchanged.

            | | |
            |---|---|
            | base model | {c.BaseModelName}, SHA-256 `{c.BaseModelSha256}` |

            """);
        if (c.SaeSha256 is not null) card.Append(CultureInfo.InvariantCulture, $"| autoencoder | {c.Sae}, SHA-256 `{c.SaeSha256}` |\n");
        if (!c.IsReward) card.Append(CultureInfo.InvariantCulture, $"| classes | {string.Join(", ", c.Classes)} |\n");
        card.Append(CultureInfo.InvariantCulture, $"| trainable parameters | {head.TrainableParameters} |\n");
        foreach (var (name, value) in c.Results) card.Append(CultureInfo.InvariantCulture, $"| {name.Replace('_', ' ')} | {value:G6} |\n");
        card.Append(CultureInfo.InvariantCulture, $"""

            {(c.IsReward ? "The reward" : "The log odds of a class")} is multiplied by a gain and added to an offset, so that over held-out texts its mean is 0 and its standard deviation 1.
            It is refused on any other model or autoencoder.

            """);
        if (c.Latents.Count > 0)
        {
            card.Append("\n| latent | class | weight | mean activation | adds on average |\n|---|---|---|---|---|\n");
            foreach (var l in c.Latents)
                card.Append(CultureInfo.InvariantCulture, $"| {l.Latent} | {l.Class ?? "-"} | {l.Weight:G4} | {l.MeanActivation:G4} | {l.MeanContribution:G4} |\n");
        }
        return card.ToString().ReplaceLineEndings("\n");
    }
}
