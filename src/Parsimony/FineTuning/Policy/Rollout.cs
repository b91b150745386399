using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Policy;

/// <summary>Prompts and how a model went on from them. A row is a prompt and its response side by side, padded on the right, so that the
/// passes that learn from it need no mask; what is prompt, response and padding is told by lengths, never by a token's id.</summary>
public sealed record Rollout : IDisposable
{
    private Rollout(IReadOnlyList<RolloutPrompt> prompts, int[][] responses, Tensor tokens, Tensor responseTokens, Tensor mask, Tensor sampledLogProbs) =>
        (Prompts, Responses, Tokens, ResponseTokens, Mask, SampledLogProbs) = (prompts, responses, tokens, responseTokens, mask, sampledLogProbs);

    /// <summary>The prompt of each row.</summary>
    public IReadOnlyList<RolloutPrompt> Prompts { get; }

    /// <summary>The ids each row went on with, one or more; the end of text belongs to them.</summary>
    public IReadOnlyList<int[]> Responses { get; }

    /// <summary>Prompts with responses, <c>[batch, longest]</c>, Int64.</summary>
    public Tensor Tokens { get; }

    /// <summary>Responses alone, <c>[batch, longest response]</c>, Int64; 0 outside the mask.</summary>
    public Tensor ResponseTokens { get; }

    /// <summary>Bool, <c>[batch, longest response]</c>: where a response has a token.</summary>
    public Tensor Mask { get; }

    /// <summary>ln p of each token by the pass that sampled it, at the sampling temperature, <c>[batch, longest response]</c>; 0 outside the mask.
    /// A pass over the whole row gives the same up to rounding: one that does not has sampled from something else.</summary>
    public Tensor SampledLogProbs { get; }

    /// <summary>How many tokens were sampled.</summary>
    public long SampledTokens => Responses.Sum(r => (long)r.Length);

    /// <summary>Samples a continuation of every prompt, all at once, each token from the keys and values kept of those before.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tap">What is in its seam: the policy's splice; null is the plain model.</param>
    /// <param name="prompts">One or more; the same one as often as it is to be answered.</param>
    /// <param name="sampling">How; the temperature is above 0. The seed decides every token.</param>
    /// <param name="endOfText">The token that ends a response; null: none does.</param>
    /// <param name="cancellation">Stops between two tokens.</param>
    /// <exception cref="ArgumentException">A prompt is empty, or does not fit into the model with its response; or the temperature is 0.</exception>
    public static Rollout Draw(
        Transformer model, Tap? tap, IReadOnlyList<RolloutPrompt> prompts, SamplingOptions sampling, int? endOfText, CancellationToken cancellation = default)
    {
        if (sampling.Temperature == 0) throw new ArgumentException("the temperature is 0; a rollout is sampled, so it must be above 0.", nameof(sampling));
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var columns = new List<float[]>();                                   // of ln p, one for each new token
        int[][] responses = Generation.Generate(model, [.. prompts.Select(p => p.Tokens)], sampling, tap, endOfText, cancellation: cancellation, onDraw: (logits, drawn) =>
        {
            using var inner = NewDisposeScope();
            columns.Add(TokenLogProbs.Of(logits, tensor(drawn, device: logits.device), sampling.Temperature).cpu().data<float>().ToArray());
        });

        int rows = prompts.Count, longest = responses.Max(r => r.Length), width = prompts.Zip(responses, (p, r) => p.Tokens.Length + r.Length).Max();
        var (whole, alone, logProbs) = (new long[rows, width], new long[rows, longest], new float[rows, longest]);
        for (int row = 0; row < rows; row++)
        {
            int[] prompt = prompts[row].Tokens, response = responses[row];
            for (int t = 0; t < prompt.Length; t++) whole[row, t] = prompt[t];
            for (int t = 0; t < response.Length; t++)
                (whole[row, prompt.Length + t], alone[row, t], logProbs[row, t]) = (response[t], response[t], columns[t][row]);
        }
        Tensor Out(Tensor t) => t.MoveToOuterDisposeScope();
        var device = model.Device;
        return new Rollout(prompts, responses, Out(tensor(whole, device: device)), Out(tensor(alone, device: device)),
            Out(ResponseMask.Of(tensor(responses.Select(r => (long)r.Length).ToArray(), device: device), longest)), Out(tensor(logProbs, device: device)));
    }

    /// <summary>The same of a policy, or of the reference, by the sampling of a training.</summary>
    internal static Rollout Draw(
        Transformer model, IAdapter adapter, bool atRest, IReadOnlyList<RolloutPrompt> prompts, PolicyOptions options, long seed, int? endOfText, CancellationToken cancellation) =>
        Draw(model, atRest ? adapter.Rest() : adapter.WhileGenerating(prompts.Max(p => p.Tokens.Length)), prompts, options.Sampling(seed), endOfText, cancellation);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var t in (Tensor[])[Tokens, ResponseTokens, Mask, SampledLogProbs]) t.Dispose();
    }
}
