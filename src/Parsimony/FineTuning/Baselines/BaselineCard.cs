using System.Globalization;
using System.Text;

namespace Parsimony.FineTuning.Baselines;

/// <summary>A baseline's model card.</summary>
internal static class BaselineCard
{
    public static string Write(IAdapter adapter, BaselineMetadata m, bool inPeft)
    {
        var card = new StringBuilder();
        card.Append(CultureInfo.InvariantCulture, $"""
            ---
            library_name: {(inPeft ? "peft" : "parsimony")}
            base_model: {m.BaseModelName}
            tags:
            - {adapter.Method}
            ---

            # {adapter.Method} at `{string.Join("`, `", adapter.Hooks.Except(adapter.Reads))}`

            | | |
            |---|---|
            | base model | {m.BaseModelName}, SHA-256 `{m.BaseModelSha256}` |
            | trainable parameters | {adapter.TrainableParameters} |

            """);
        foreach (var (name, value) in adapter.Identity) card.Append(CultureInfo.InvariantCulture, $"| {name} | {value} |\n");
        foreach (var (name, value) in m.Results) card.Append(CultureInfo.InvariantCulture, $"| {name.Replace('_', ' ')} | {value:G6} |\n");
        card.Append(inPeft ? "\nPEFT loads this folder; parsimony does, too, and refuses it on any other model.\n" : "\nIt is refused on any other model.\n");
        return card.ToString().ReplaceLineEndings("\n");
    }
}
