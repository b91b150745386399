using System.Collections.Concurrent;
using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Parsimony.Tests.Files;

namespace Parsimony.Tests.Exploration.Labels;

/// <summary>A server on this machine that behaves like an OpenAI-compatible service, with faults on demand.</summary>
internal sealed class FakeChat : IDisposable
{
    private readonly ManualResetEventSlim closed = new();
    private readonly Func<string, string> answer;
    private readonly LocalServer server;

    /// <summary>Starts.</summary>
    /// <param name="answer">What the model says to the last message of a conversation.</param>
    public FakeChat(Func<string, string> answer) => (this.answer, server) = (answer, new LocalServer(Answer));

    public string Endpoint => $"http://127.0.0.1:{server.Port}/v1";

    /// <summary>Requests so far: path, authorization, body.</summary>
    public ConcurrentQueue<(string Path, string? Authorization, JsonNode Body)> Requests { get; } = new();

    /// <summary>Answers in the place of the ordinary one, taken in turn.</summary>
    public ConcurrentQueue<Action<HttpListenerResponse>> Instead { get; } = new();

    /// <summary>Whether it takes requests and never answers.</summary>
    public bool Hangs { get; set; }

    public void Dispose()
    {
        closed.Set();
        server.Dispose();
    }

    /// <summary>Sends a text as it is.</summary>
    public static void Send(HttpListenerResponse response, string body) => response.OutputStream.Write(Encoding.UTF8.GetBytes(body));

    private void Answer(HttpListenerContext context)
    {
        var response = context.Response;
        var body = JsonNode.Parse(context.Request.InputStream)!;
        Requests.Enqueue((context.Request.Url!.AbsolutePath, context.Request.Headers["Authorization"], body));
        if (Hangs) closed.Wait();
        if (Instead.TryDequeue(out var instead)) instead(response);
        else Send(response, JsonSerializer.Serialize(new { choices = new[] { new { message = new { role = "assistant", content = answer(body["messages"]!.AsArray()[^1]!["content"]!.GetValue<string>()) } } } }));
    }
}
