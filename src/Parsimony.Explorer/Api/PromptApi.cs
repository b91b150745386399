using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Parsimony.Explorer.Model;

namespace Parsimony.Explorer.Api;

/// <summary>What the SAE sees in a text: <c>/api/prompt</c>.</summary>
internal static class PromptApi
{
    /// <summary>A text to look at.</summary>
    /// <param name="Text">The text.</param>
    /// <param name="By">strength, activation or relative.</param>
    /// <param name="Without">A latent to leave out; null: none.</param>
    /// <param name="PerToken">Latents of each token, 1 to 64.</param>
    internal sealed record Question(string Text, PromptRank By = PromptRank.Strength, int? Without = null, int PerToken = 8);

    /// <summary>A token of it.</summary>
    internal sealed record Token(int Id, string Text, int Active, FiringLatent[] Latents);

    /// <summary>A token that may come next.</summary>
    internal sealed record Next(int Id, string Text, double P, double? PWithout);

    /// <summary>What is seen in it.</summary>
    internal sealed record Answer(Token[] Tokens, Next[] Next, double? KlWithout);

    public static void Map(WebApplication app) => app.MapPost("/api/prompt", async (Explored e, Client client, Question q, HttpContext context) =>
    {
        if (q.PerToken is < 1 or > 64) throw new ArgumentException($"per_token is {q.PerToken}; it must be 1 to 64.");
        var seen = await e.Ask(client.Name, bench => PromptAnalysis.Of(bench, e.Index, PromptAnalysis.Encode(bench, q.Text ?? ""), q.By, q.Without, q.PerToken), context.RequestAborted);
        string Display(int id) => e.Tokenizer!.Display(id);
        return new Answer(
            [.. seen.Ids.Select((id, t) => new Token(id, Display(id), seen.Active[t], seen.Tokens[t]))],
            [.. seen.Next.Select(n => new Next(n.Id, Display(n.Id), n.P, n.PWithout))], seen.KlWithout);
    }).WithSummary("The latents that fire on each token of a text, and the tokens that may come next, also without a latent.");
}
