using System.Net;
using System.Net.Sockets;

namespace Parsimony.Tests.Files;

/// <summary>A server on this machine for as long as a test needs it. Requests are answered at the same time, each on a thread of its own; an answer that throws breaks off.</summary>
internal sealed class LocalServer : IDisposable
{
    private readonly HttpListener listener = new();

    /// <summary>Starts.</summary>
    /// <param name="answer">Answers a request; the answer is sent when it returns.</param>
    public LocalServer(Action<HttpListenerContext> answer)
    {
        using (var free = new TcpListener(IPAddress.Loopback, 0))
        {
            free.Start();
            Port = ((IPEndPoint)free.LocalEndpoint).Port;
        }
        listener.Prefixes.Add($"http://127.0.0.1:{Port}/");
        listener.Prefixes.Add($"http://localhost:{Port}/");
        listener.Start();
        _ = Task.Run(async () =>
        {
            while (listener.IsListening)
                try
                {
                    var context = await listener.GetContextAsync();
                    _ = Task.Run(() => Answer(context, answer));
                }
                catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
                {
                    return;
                }
        });
    }

    /// <summary>Where it listens, at 127.0.0.1 and at localhost.</summary>
    public int Port { get; }

    /// <inheritdoc/>
    public void Dispose() => listener.Close();

    private static void Answer(HttpListenerContext context, Action<HttpListenerContext> answer)
    {
        try
        {
            answer(context);
            context.Response.Close();
        }
        catch (Exception e) when (e is HttpListenerException or IOException or InvalidOperationException or ObjectDisposedException)
        {
            context.Response.Abort();
        }
    }
}
