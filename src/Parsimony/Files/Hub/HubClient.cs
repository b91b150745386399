using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;

namespace Parsimony.Files.Hub;

/// <summary>Speaks with the hub: follows redirects, waits when it is told to, tries again, and says in a sentence what a refusal means. Proxies are those of the environment.</summary>
internal sealed class HubClient(HubSettings settings) : IDisposable
{
    private const int MostRedirects = 10;
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(5);
    private readonly HttpClient http = new(new SocketsHttpHandler { AllowAutoRedirect = false }) { Timeout = Timeout.InfiniteTimeSpan };

    /// <summary>The commit that a revision stands for, and its files.</summary>
    public async Task<(string Commit, IReadOnlyList<HubFile> Files)> List(HubName name, CancellationToken cancellation)
    {
        string kind = name.Kind == HubKind.Model ? "models" : "datasets";
        return await Trying(async () =>
        {
            using var response = await Get($"/api/{kind}/{name.Id}/revision/{Uri.EscapeDataString(name.Revision)}?blobs=true", name, null, cancellation);
            using var json = JsonDocument.Parse(await response.Content.ReadAsByteArrayAsync(cancellation));
            var files = json.RootElement.GetProperty("siblings").EnumerateArray().Select(Read).ToList();
            string commit = json.RootElement.GetProperty("sha").GetString()!;
            return files.TrueForAll(f => f.IsSane) && commit.Length > 0 && commit.All(char.IsAsciiHexDigit) ? (commit, (IReadOnlyList<HubFile>)files)
                : throw new InvalidDataException($"the hub's listing of '{name}' has a file without size or hash, or outside its folder. It is not used.");
        }, $"the listing of '{name}'", cancellation);
    }

    /// <summary>Hands over a part of a file as it comes.</summary>
    /// <param name="name">The repository.</param>
    /// <param name="commit">Its commit.</param>
    /// <param name="file">The file.</param>
    /// <param name="from">First byte wanted.</param>
    /// <param name="to">Behind the last one.</param>
    /// <param name="write">Takes bytes and where in the file they belong.</param>
    /// <param name="cancellation">Stops.</param>
    /// <returns>Whether it was given as asked; false: the server knows no ranges and gave the whole file from its beginning.</returns>
    public async Task<bool> Fetch(HubName name, string commit, HubFile file, long from, long to, Action<ReadOnlyMemory<byte>, long> write, CancellationToken cancellation)
    {
        string prefix = name.Kind == HubKind.Model ? "" : "/datasets", path = string.Join('/', file.Path.Split('/').Select(Uri.EscapeDataString));
        long at = from;
        return await Trying(async () =>
        {
            using var response = await Get($"{prefix}/{name.Id}/resolve/{commit}/{path}", name, new RangeHeaderValue(at, to - 1), cancellation);
            bool whole = response.StatusCode == HttpStatusCode.OK;
            if (!whole && response.Content.Headers.ContentRange is { } given && (given.From != at || given.Length is { } all && all != file.Size)) throw new InvalidDataException(
                $"'{file.Path}' has {given.Length} bytes and not the {file.Size} that its listing says, or the server gave another range. Pull again.");
            long position = whole ? 0 : at, end = whole ? file.Size : to;
            var buffer = new byte[1 << 17];
            using var body = await response.Content.ReadAsStreamAsync(cancellation);
            while (position < end)
            {
                using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
                patience.CancelAfter(settings.Patience);
                int read = await Waiting(body.ReadAsync(buffer, patience.Token).AsTask(), cancellation);
                if (read == 0) throw new HttpIOException(HttpRequestError.ResponseEnded, $"the server sent {position} of {end} bytes");
                read = (int)Math.Min(read, end - position);
                write(buffer.AsMemory(0, read), position);
                position += read;
                if (!whole) at = position; // a further try goes on from here
            }
            return !whole;
        }, $"'{file.Path}' of '{name}'", cancellation);
    }

    public void Dispose() => http.Dispose();

    private async Task<HttpResponseMessage> Get(string path, HubName name, RangeHeaderValue? range, CancellationToken cancellation)
    {
        var address = new Uri(settings.Endpoint + path);
        var hub = new Uri(settings.Endpoint);
        for (int hop = 0; hop < MostRedirects; hop++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, address);
            request.Headers.Range = range;
            request.Headers.UserAgent.ParseAdd("parsimony");
            bool isHub = address.Scheme == hub.Scheme && address.Authority == hub.Authority; // the token is for the hub, not for where it sends us
            if (settings.Token is { } token && isHub) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            patience.CancelAfter(settings.Patience);
            var response = await Waiting(http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, patience.Token), cancellation);
            if (response.IsSuccessStatusCode) return response;
            using (response)
            {
                if ((int)response.StatusCode is >= 300 and < 400 && response.Headers.Location is { } to) address = new Uri(address, to);
                else throw Refusal(response, name);
            }
        }
        throw new InvalidDataException($"the hub redirects '{path}' more than {MostRedirects} times. Look at HF_ENDPOINT, which is {settings.Endpoint}.");
    }

    private Exception Refusal(HttpResponseMessage response, HubName name)
    {
        string code = response.Headers.TryGetValues("X-Error-Code", out var codes) ? codes.First() : "";
        int status = (int)response.StatusCode;
        if (status is 429 or 408 or >= 500) return new TryAgainException($"the hub answers {status}", response.Headers.RetryAfter is { } after
            ? after.Delta ?? after.Date - DateTimeOffset.UtcNow : null);
        if (code == "RevisionNotFound") return new InvalidDataException($"'{name.Id}' has no revision '{name.Revision}'. Name a branch, a tag or a commit that it has.");
        string other = name.Kind == HubKind.Model ? $"or a data set: parsimony pull {name.Id} --dataset" : "or a model: leave --dataset out";
        return status switch
        {
            401 or 403 => new UnauthorizedAccessException($"The hub refuses '{name}' ({status}): it does not exist, or it is private or gated and {(settings.Token is null
                ? "no token is given. Accept its terms on the hub and set HF_TOKEN" : "the token in HF_TOKEN may not read it. Accept its terms on the hub, or take another token")}; {other}."),
            404 => new FileNotFoundException($"The hub at {settings.Endpoint} has no '{name}' (404). Look at its spelling (owner/name); {other}."),
            _ => new InvalidDataException($"The hub answers {status} {response.ReasonPhrase} to '{name}'. Look at HF_ENDPOINT, which is {settings.Endpoint}."),
        };
    }

    private async Task<T> Trying<T>(Func<Task<T>> act, string what, CancellationToken cancellation)
    {
        for (int number = 1; ; number++)
        {
            try
            {
                return await act();
            }
            catch (Exception e) when (e is HttpRequestException or HttpIOException or TryAgainException or TimeoutException or IOException { InnerException: System.Net.Sockets.SocketException })
            {
                if (number >= settings.Tries) throw new IOException(
                    $"{what} was tried {number} times: {e.Message.TrimEnd('.')}. What is there of it is kept; the same command goes on.", e);
                var wait = (e as TryAgainException)?.After ?? settings.FirstWait * Math.Pow(2, number - 1);
                await Task.Delay(wait > LongestWait ? LongestWait : wait < TimeSpan.Zero ? TimeSpan.Zero : wait, cancellation);
            }
            catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
            {
                throw new InvalidDataException($"{settings.Endpoint} answers as no hub does. Look at HF_ENDPOINT and the proxy.", e);
            }
        }
    }

    private async Task<T> Waiting<T>(Task<T> task, CancellationToken cancellation)
    {
        try
        {
            return await task;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new TimeoutException($"the server was silent for {settings.Patience.TotalSeconds:0} s");
        }
    }

    private static HubFile Read(JsonElement file)
    {
        bool large = file.TryGetProperty("lfs", out var lfs) && lfs.ValueKind == JsonValueKind.Object;
        return new HubFile(file.GetProperty("rfilename").GetString()!,
            large ? lfs.GetProperty("size").GetInt64() : file.GetProperty("size").GetInt64(),
            (large ? lfs.GetProperty("sha256") : file.GetProperty("blobId")).GetString()!);
    }

    private sealed class TryAgainException(string message, TimeSpan? after) : Exception(message)
    {
        public TimeSpan? After { get; } = after;
    }
}
