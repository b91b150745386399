using System.Net;
using Microsoft.AspNetCore.Http;

namespace Parsimony.Explorer.Guards;

/// <summary>
/// Turns away what a page elsewhere could make a browser send here: requests under a foreign host name (DNS rebinding), and anything but reading from a foreign origin
/// (cross-site requests, WebSockets among them).
/// </summary>
internal sealed class RequestGuard(ExplorerOptions options)
{
    private readonly HashSet<string> hosts = new(["localhost", "127.0.0.1", "[::1]", Bracketed(options.Address), .. options.HostNames], StringComparer.OrdinalIgnoreCase);

    /// <summary>Why a request is turned away; null: it may pass.</summary>
    public string? Fault(HttpRequest request)
    {
        if (!hosts.Contains(request.Host.Host)) return $"'{request.Host.Host}' is not a name of this explorer. Allowed are {string.Join(", ", hosts.Order(StringComparer.Ordinal))}; "
            + "another name can be allowed with 'parsimony explore --host-names'.";
        bool reads = HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method);
        if (reads && !request.Path.StartsWithSegments("/_blazor")) return null;
        string? origin = request.Headers.Origin;
        if (origin is { Length: > 0 } && !origin.Equals($"{request.Scheme}://{request.Host}", StringComparison.OrdinalIgnoreCase)) return $"the request comes from '{origin}', another origin than '{request.Scheme}://{request.Host}'; it was not carried out.";
        return request.Headers["Sec-Fetch-Site"] == "cross-site" ? "the request comes from a page of another site; it was not carried out." : null;
    }

    /// <summary>Turns a request away, or puts on its answer what keeps a page from loading anything from elsewhere.</summary>
    public async Task Invoke(HttpContext context, RequestDelegate next)
    {
        var headers = context.Response.Headers;
        headers.ContentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; "
            + "base-uri 'self'; form-action 'self'; frame-ancestors 'none'";
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        if (Fault(context.Request) is { } fault)
        {
            context.Response.StatusCode = (int)HttpStatusCode.Forbidden;
            context.Response.ContentType = "text/plain; charset=utf-8";
            await context.Response.WriteAsync(fault, context.RequestAborted);
            return;
        }
        await next(context);
    }

    private static string Bracketed(string address) => address.Contains(':', StringComparison.Ordinal) ? $"[{address}]" : address;
}
