using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Parsimony.Exploration.Labels.Explain;

/// <summary>One message of a conversation.</summary>
/// <param name="Role">system, user or assistant.</param>
/// <param name="Content">What is said.</param>
internal sealed record PromptMessage(string Role, string Content);

/// <summary>Asks an OpenAI-compatible service: waits as long as it is allowed, tries again, and says in a sentence what a refusal means. Redirects are not followed: the key and the texts are for the address that was named.</summary>
internal sealed class ChatEndpoint : IDisposable
{
    private const int MostTokens = 600;
    private const long MostBytes = 1 << 22;
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(2);
    private readonly HttpClient http = new(new SocketsHttpHandler { AllowAutoRedirect = false }) { Timeout = Timeout.InfiniteTimeSpan, MaxResponseContentBufferSize = MostBytes };
    private readonly ExplainerOptions options;
    private readonly SemaphoreSlim connections;
    private readonly string? key;
    private readonly string address;

    public ChatEndpoint(ExplainerOptions options, string? key)
    {
        (this.options, this.key) = (options, string.IsNullOrWhiteSpace(key) ? null : key.Trim());
        if (this.key?.Any(c => c is < '!' or > '~') == true) throw new ArgumentException($"{ExplainerOptions.KeyVariable} has characters that no key has. Set it to the key alone.");
        (address, connections) = (options.Endpoint!.TrimEnd('/') + "/chat/completions", new(options.EndpointConnections));
    }

    /// <summary>The answer to a conversation, at temperature 0.</summary>
    /// <exception cref="IOException">It does not answer, or not in time, in all the tries.</exception>
    /// <exception cref="UnauthorizedAccessException">It refuses the key.</exception>
    /// <exception cref="InvalidDataException">It refuses the request, or answers as no such service does.</exception>
    public async Task<string> Ask(IReadOnlyList<PromptMessage> messages, CancellationToken cancellation)
    {
        await connections.WaitAsync(cancellation);
        try
        {
            for (int number = 1; ; number++)
            {
                try
                {
                    return await Try(messages, cancellation);
                }
                catch (Exception e) when (e is HttpRequestException or TimeoutException or TryAgainException or IOException)
                {
                    if (number >= options.EndpointTries) throw new IOException($"{options.Endpoint} was tried {number} times: {e.Message.TrimEnd('.')}. Labels made so far are kept; the same command goes on.", e);
                    var wait = (e as TryAgainException)?.After ?? options.FirstWait * Math.Pow(2, number - 1);
                    await Task.Delay(wait > LongestWait ? LongestWait : wait < TimeSpan.Zero ? TimeSpan.Zero : wait, cancellation);
                }
            }
        }
        finally
        {
            connections.Release();
        }
    }

    public void Dispose()
    {
        http.Dispose();
        connections.Dispose();
    }

    private async Task<string> Try(IReadOnlyList<PromptMessage> messages, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, address);
        request.Headers.UserAgent.ParseAdd("parsimony");
        if (key is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        request.Content = JsonContent.Create(new { model = options.EndpointModel, temperature = 0, max_tokens = MostTokens, messages = messages.Select(m => new { role = m.Role, content = m.Content }) });
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(TimeSpan.FromSeconds(options.EndpointTimeoutSeconds));
        try
        {
            using var response = await http.SendAsync(request, patience.Token);
            if (!response.IsSuccessStatusCode) throw Refusal(response);
            return Content(await response.Content.ReadAsStringAsync(patience.Token));
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new TimeoutException($"no answer in {options.EndpointTimeoutSeconds:0.###} s");
        }
    }

    private string Content(string answer)
    {
        try
        {
            if (JsonNode.Parse(answer)?["choices"]?[0]?["message"]?["content"]?.GetValue<string>() is { } content) return content;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException or ArgumentOutOfRangeException)
        {
            throw Nonsense(e);
        }
        throw Nonsense(null);
    }

    private InvalidDataException Nonsense(Exception? inner) => new($"{address} answers as no OpenAI-compatible service does. --endpoint is the part of its address before /chat/completions; look at it and at the proxy.", inner);

    private Exception Refusal(HttpResponseMessage response)
    {
        int status = (int)response.StatusCode;
        string said = $"{address} answers {status} {response.ReasonPhrase}".TrimEnd();
        return status switch
        {
            408 or 429 or >= 500 => new TryAgainException($"it answers {status}", response.Headers.RetryAfter is { } after ? after.Delta ?? after.Date - DateTimeOffset.UtcNow : null),
            401 or 403 => new UnauthorizedAccessException($"{said}: {(key is null ? $"no key is given; set {ExplainerOptions.KeyVariable}" : $"the key in {ExplainerOptions.KeyVariable} may not do this")}."),
            404 => new InvalidDataException($"{said}. Look at --endpoint, the part of its address before /chat/completions, and at --endpoint-model, which is '{options.EndpointModel}'."),
            >= 300 and < 400 => new InvalidDataException($"{said}: it sends on to {response.Headers.Location}, where neither key nor text goes. Name that address with --endpoint, if you trust it."),
            _ => new InvalidDataException($"{said}. Look at --endpoint-model, which is '{options.EndpointModel}'."),
        };
    }

    private sealed class TryAgainException(string message, TimeSpan? after) : Exception(message)
    {
        public TimeSpan? After { get; } = after;
    }
}
