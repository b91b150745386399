using System.Text.RegularExpressions;

namespace Parsimony.Explorer.Exporting;

/// <summary>A page of the explorer made into a file that opens from disk: its links lead to the other files, and nothing is loaded from a server.</summary>
internal static partial class StaticPage
{
    private const string Policy = "default-src 'none'; script-src 'self' file:; style-src 'self' file: 'unsafe-inline'; img-src 'self' file: data: blob:; font-src 'self' file: data:";

    /// <summary>Makes the page.</summary>
    /// <param name="html">As the server sends it.</param>
    /// <param name="file">Its own place in the folder, such as <c>features/12.html</c>.</param>
    /// <param name="files">Where each exported address is, by the address without query and leading slash; the start page is "".</param>
    /// <param name="notice">A line above the page.</param>
    public static string Of(string html, string file, IReadOnlyDictionary<string, string> files, string notice)
    {
        string up = string.Concat(Enumerable.Repeat("../", file.Count(c => c == '/')));
        html = Components().Replace(html, "");
        html = Script().Replace(html, "");
        html = html.Replace("<base href=\"/\">", $"<meta http-equiv=\"Content-Security-Policy\" content=\"{Policy}\">", StringComparison.Ordinal);
        html = Link().Replace(html, match =>
        {
            string address = match.Groups["to"].Value;
            if (address.StartsWith('#') || address.StartsWith("data:", StringComparison.Ordinal)) return match.Value;
            if (address.StartsWith("assets/", StringComparison.Ordinal)) return $" {match.Groups["name"].Value}=\"{up}{address}\"";
            string path = address.Split('?', '#')[0].Trim('/');
            return files.TryGetValue(path, out string? there) && !address.Contains('?', StringComparison.Ordinal) ? $" href=\"{up}{there}\"" : " data-live-only=\"\"";
        });
        html = EmptyLink().Replace(html, $" href=\"{up}{files[""]}\"$1");
        return html.Replace("<main id=\"content\"", $"<p class=\"notice\">{notice}</p><main id=\"content\"", StringComparison.Ordinal)
            .Replace("<body>", "<body class=\"exported\">", StringComparison.Ordinal);
    }

    [GeneratedRegex("<!--Blazor.*?-->", RegexOptions.Singleline)]
    private static partial Regex Components();

    [GeneratedRegex("<script src=\"_framework/[^\"]*\"></script>")]
    private static partial Regex Script();

    [GeneratedRegex(" (?<name>href|src)=\"(?<to>[^\"]+)\"")]
    private static partial Regex Link();

    [GeneratedRegex(" href(?:=\"\")?([ >])")]
    private static partial Regex EmptyLink();
}
