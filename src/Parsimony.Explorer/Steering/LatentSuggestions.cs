using System.Globalization;

namespace Parsimony.Explorer.Steering;

/// <summary>A latent that may be meant.</summary>
/// <param name="Latent">Its index.</param>
/// <param name="Why">Why it is suggested: its label, or the token it peaks on.</param>
internal sealed record LatentSuggestion(int Latent, string Why);

/// <summary>Latents by what a person types: a number, a word of a label, or a token that they fire on most.</summary>
internal static class LatentSuggestions
{
    /// <summary>The latents that may be meant, the likeliest first.</summary>
    /// <param name="explored">The run, with its index.</param>
    /// <param name="text">What was typed.</param>
    /// <param name="most">Suggestions at most.</param>
    public static IReadOnlyList<LatentSuggestion> Of(Explored explored, string text, int most = 12)
    {
        if (explored.Index is not { } index || explored.Tokenizer is not { } tokenizer || string.IsNullOrWhiteSpace(text)) return [];
        var found = new List<LatentSuggestion>();
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number < index.DSae) found.Add(new(number, explored.LabelOf(number) ?? "by its number"));
        foreach (var hit in explored.Labels?.Find(text.Trim(), most) ?? []) found.Add(new(hit.Latent, hit.Text));
        foreach (string spelling in (string[])[text, " " + text.TrimStart()])
        {
            int[] ids = tokenizer.Encode(spelling);
            if (ids.Length == 1)
                foreach (var (latent, contexts) in index.PeakingOn(ids[0])) found.Add(new(latent, $"{contexts} of its strongest contexts peak on {tokenizer.Display(ids[0])}"));
        }
        return [.. found.DistinctBy(f => f.Latent).Take(most)];
    }
}
