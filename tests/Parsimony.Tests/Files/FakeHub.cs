using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Parsimony.Tests.Files;

/// <summary>A server on this machine that behaves like the hub: listing, resolve with a redirect to another host, ranges, and faults on demand.</summary>
internal sealed class FakeHub : IDisposable
{
    public const string Commit = "0123456789abcdef0123456789abcdef01234567";
    private readonly LocalServer server;
    private int bodies;

    public FakeHub() => server = new LocalServer(Answer);

    public string Endpoint => $"http://127.0.0.1:{server.Port}";

    /// <summary>Files by name; those over 100 bytes are large ones, known by SHA-256 and kept on another host.</summary>
    public Dictionary<string, byte[]> Files { get; } = [];

    /// <summary>Answers in the place of the ordinary one; taken in turn, null: the ordinary one.</summary>
    public ConcurrentQueue<Action<HttpListenerResponse>?> Instead { get; } = new();

    /// <summary>Requests so far: method, path, range, authorization, host.</summary>
    public ConcurrentQueue<(string Path, string? Range, string? Authorization, string Host)> Requests { get; } = new();

    public bool KnowsRanges { get; set; } = true;

    /// <summary>How many of the next bodies break off in the middle.</summary>
    public int Truncated { get; set; }

    public bool LiesAboutHashes { get; set; }

    /// <summary>Called before each body with its number.</summary>
    public Action<int>? BeforeBody { get; set; }

    public void Dispose() => server.Dispose();

    private void Answer(HttpListenerContext context)
    {
        var (request, response) = (context.Request, context.Response);
        string path = Uri.UnescapeDataString(request.Url!.AbsolutePath);
        Requests.Enqueue((path, request.Headers["Range"], request.Headers["Authorization"], request.Url.Host));
        if (Instead.TryDequeue(out var instead) && instead is not null) instead(response);
        else if (path is $"/api/models/owner/name/revision/main" or "/api/datasets/owner/name/revision/main" or "/api/models/owner/name/revision/v2") Send(response, Listing());
        else if (path.StartsWith("/api/models/owner/name/", StringComparison.Ordinal)) Refuse(response, 404, "RevisionNotFound");
        else if (path.StartsWith("/cdn/", StringComparison.Ordinal)) Body(request, response, Files[path[5..]]);
        else if (path.Split("/resolve/" + Commit + "/") is [_, var name] && Files.TryGetValue(name, out byte[]? file))
        {
            if (file.Length <= 100) Body(request, response, file);
            else Redirect(response, $"http://localhost:{server.Port}/cdn/{name}");
        }
        else Refuse(response, request.Headers["Authorization"] is null ? 401 : 404, "RepoNotFound");
    }

    public static void Refuse(HttpListenerResponse response, int status, string? code = null)
    {
        response.StatusCode = status;
        if (code is not null) response.Headers["X-Error-Code"] = code;
    }

    public static void Redirect(HttpListenerResponse response, string to)
    {
        response.StatusCode = 302;
        response.Headers["Location"] = to;
    }

    private byte[] Listing() => JsonSerializer.SerializeToUtf8Bytes(new
    {
        sha = Commit,
        siblings = Files.Select(f => f.Value.Length > 100
            ? (object)new { rfilename = f.Key, size = f.Value.Length, blobId = new string('0', 40), lfs = new { sha256 = Hash(f.Value), size = f.Value.Length } }
            : new { rfilename = f.Key, size = f.Value.Length, blobId = Hash(f.Value) }),
    });

#pragma warning disable CA5350 // git's name for a blob is its SHA-1
    public string Hash(byte[] file)
    {
        byte[] hashed = LiesAboutHashes ? [.. file, 0] : file;
        return Convert.ToHexStringLower(file.Length > 100 ? SHA256.HashData(hashed)
            : SHA1.HashData([.. Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"blob {file.Length}\0")), .. hashed]));
    }
#pragma warning restore CA5350

    private void Body(HttpListenerRequest request, HttpListenerResponse response, byte[] file)
    {
        BeforeBody?.Invoke(Interlocked.Increment(ref bodies));
        if (KnowsRanges && request.Headers["Range"]?["bytes=".Length..].Split('-') is [var from, var to])
        {
            int first = int.Parse(from, CultureInfo.InvariantCulture), last = int.Parse(to, CultureInfo.InvariantCulture);
            response.StatusCode = 206;
            response.Headers["Content-Range"] = $"bytes {first}-{last}/{file.Length}";
            file = file[first..(last + 1)];
        }
        if (Truncated-- > 0)
        {
            response.ContentLength64 = file.Length;
            response.OutputStream.Write(file, 0, file.Length / 2);
            response.OutputStream.Flush();
            throw new IOException("breaks off");
        }
        Send(response, file);
    }

    private static void Send(HttpListenerResponse response, byte[] body)
    {
        response.ContentLength64 = body.Length;
        response.OutputStream.Write(body);
    }
}
