using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Parsimony.Explorer.Tests;

/// <summary>A line between a browser and a server, byte for byte, that can be cut: both ends see their connections break off.</summary>
internal sealed class Line : IDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly ConcurrentBag<Socket> open = [];
    private readonly int to;
    private volatile bool isCut;

    /// <param name="address">The server's.</param>
    public Line(string address)
    {
        to = new Uri(address).Port;
        listener.Start();
        _ = Accept();
    }

    /// <summary>Its end at the browser, such as <c>http://127.0.0.1:41234</c>.</summary>
    public string Address => $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}";

    /// <summary>Breaks off every connection; new ones break off too.</summary>
    public void Cut()
    {
        isCut = true;
        while (open.TryTake(out var socket)) socket.Close(0);
    }

    /// <summary>Lets new connections through again.</summary>
    public void Mend() => isCut = false;

    /// <inheritdoc/>
    public void Dispose()
    {
        listener.Stop();
        Cut();
        listener.Dispose();
    }

    private async Task Accept()
    {
        try
        {
            while (true) _ = Join(await listener.AcceptSocketAsync());
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // It was taken down.
        }
    }

    private async Task Join(Socket browser)
    {
        var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        (Socket From, Socket To)[] ways = [(browser, server), (server, browser)];
        foreach (var (socket, _) in ways) open.Add(socket);
        try
        {
            if (isCut) return;
            await server.ConnectAsync(IPAddress.Loopback, to);
            await Task.WhenAny(ways.Select(way => Carry(way.From, way.To)));
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // An end is gone.
        }
        finally
        {
            foreach (var (socket, _) in ways) socket.Close(0);
        }
    }

    private static async Task Carry(Socket from, Socket to)
    {
        var buffer = new byte[1 << 16];
        for (int n; (n = await from.ReceiveAsync(buffer)) > 0;)
            for (int sent = 0; sent < n;) sent += await to.SendAsync(buffer.AsMemory(sent, n - sent));
    }
}
