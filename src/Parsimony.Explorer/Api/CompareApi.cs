using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Parsimony.Explorer.Comparing;
using Parsimony.Explorer.Model;
using Parsimony.Tokens;

namespace Parsimony.Explorer.Api;

/// <summary>Base against fine-tuned: <c>/api/compare</c>, and both of them writing: <c>/api/generate</c>.</summary>
internal static class CompareApi
{
    /// <summary>One event of a generation: a token; the last has why it ended instead.</summary>
    /// <param name="Side">rest or tuned.</param>
    /// <param name="Id">Id of the token.</param>
    /// <param name="Text">What it adds to the side's text; empty while a character is unfinished.</param>
    /// <param name="LogProb">Its log-probability before temperature, nats.</param>
    /// <param name="Done">In the last event alone: true.</param>
    /// <param name="Error">What went wrong, in the last event.</param>
    internal sealed record Written(
        [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Side = null, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? Id = null,
        [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Text = null, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] double? LogProb = null,
        [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] bool? Done = null, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Error = null);

    public static void Map(WebApplication app)
    {
        app.MapGet("/api/compare", (Explored e, string? adapter, bool? predicted) => Comparison.Of(e, adapter, predicted ?? false)
                ?? throw new FileNotFoundException("this run has no adapter; 'parsimony finetune', 'dpo' or 'rlhf' learns one."))
            .WithSummary("What an adapter of the run changed: its features by effect, the analysis where there is one.");
        app.MapPost("/api/generate", async (Explored e, Client client, GenerationRequest request, HttpContext context) =>
        {
            var sampling = request.Sampling(e.Options);
            var bench = await e.Bench().WaitAsync(context.RequestAborted);
            var sides = request.Sides(bench.Sae.DSae);
            foreach (var side in sides) if (side.Adapter is { } name) bench.Adapter(name);
            var prompt = bench.Tokenizer.EncodePrompt(request.Prompt);
            if (prompt.Length + sampling.MaxNewTokens > bench.Model.Config.MaxSequenceLength) throw new ArgumentException(
                $"the prompt has {prompt.Length} tokens and {sampling.MaxNewTokens} new ones are asked for; the model was made for {bench.Model.Config.MaxSequenceLength}. Shorten the prompt or lower max_new_tokens.");
            return TypedResults.ServerSentEvents(Events(bench.Tokenizer, TextStream.Write(e.Queue, client.Name, bench, prompt, sides, sampling, context.RequestAborted), context.RequestAborted));
        }).WithSummary("Goes on from a prompt twice with the same random numbers, at rest and edited; server-sent events, one token each.");
    }

    private static async IAsyncEnumerable<SseItem<Written>> Events(Tokenizer tokenizer, IAsyncEnumerable<WrittenToken> tokens, [EnumeratorCancellation] CancellationToken cancellation)
    {
        StreamingDecoder[] text = [new(tokenizer), new(tokenizer)];
        await using var each = tokens.GetAsyncEnumerator(cancellation);
        while (true)
        {
            string? fault = null;
            bool isThere = false;
            try
            {
                isThere = await each.MoveNextAsync();
            }
            catch (Exception e) when (!cancellation.IsCancellationRequested) // the answer has begun: its status can not say it any more
            {
                fault = Faults.Sentence(e);
            }
            if (!isThere)
            {
                yield return new SseItem<Written>(new Written(Done: true, Error: fault), fault is null ? "done" : "error");
                yield break;
            }
            var token = each.Current;
            yield return new SseItem<Written>(new Written(token.Side == 0 ? "rest" : "tuned", token.Id, token.Id == tokenizer.EndOfTextId ? "" : text[token.Side].Push(token.Id), token.LogProb), "token");
        }
    }
}
