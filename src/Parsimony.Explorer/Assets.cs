using System.Security.Cryptography;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;
using Parsimony.Reporting;

namespace Parsimony.Explorer;

/// <summary>The explorer's files, carried inside its assembly: style sheet, script, typeface, Blazor's script.</summary>
internal static class Assets
{
    private static readonly Dictionary<string, string> Types = new()
    {
        [".css"] = "text/css; charset=utf-8",
        [".js"] = "text/javascript; charset=utf-8",
        [".woff2"] = "font/woff2",
        [".svg"] = "image/svg+xml",
    };

    /// <summary>The explorer's own by their names.</summary>
    public static IEnumerable<(string Name, byte[] Content)> All =>
    [
        .. ((string[])["explorer.css", "explorer.js"]).Select(name => (name, Bytes(name))),
        .. ((string[])["Inter-Regular.woff2", "Inter-SemiBold.woff2"]).Select(name => (name, Asset.Bytes(name))),
    ];

    /// <summary>Serves them: the explorer's own under <c>/assets</c>, Blazor's where it looks for it.</summary>
    public static void Map(WebApplication app)
    {
        foreach (var (name, content) in All) Serve(app, "/assets/" + name, content);
        Serve(app, "/_framework/blazor.web.js", Bytes("blazor.web.js"));
    }

    private static byte[] Bytes(string name)
    {
        using var stream = typeof(Assets).Assembly.GetManifestResourceStream(name) ?? throw new InvalidOperationException($"the explorer was built without its file {name}.");
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    private static void Serve(WebApplication app, string path, byte[] bytes)
    {
        var tag = new EntityTagHeaderValue($"\"{Convert.ToHexStringLower(SHA256.HashData(bytes))[..16]}\"");
        string type = Types[Path.GetExtension(path)];
        app.MapGet(path, (HttpContext context) =>
        {
            context.Response.Headers.CacheControl = "no-cache"; // asked for each time, sent again only when it is another
            return Results.Bytes(bytes, type, entityTag: tag);
        }).ExcludeFromDescription();
    }
}
