using System.Text;
using Parsimony.Files;
using Parsimony.Reporting;

namespace Parsimony.Explorer.Exporting;

/// <summary>What was written.</summary>
/// <param name="Folder">Where.</param>
/// <param name="Pages">Pages.</param>
/// <param name="Features">Of these, features.</param>
/// <param name="Bytes">Bytes in all.</param>
public sealed record ExportedSite(string Folder, int Pages, int Features, long Bytes);

/// <summary>The explorer as a folder of files that opens from disk, without a server and without a network: the pages a server of its own sends, made to stand alone.</summary>
public static class StaticSite
{
    private static readonly string[] Whole = ["sae", "compare", "rlhf", "labels"];

    /// <summary>Writes the folder. Each file appears whole or not at all; a folder that was begun is written over.</summary>
    /// <param name="source">The run.</param>
    /// <param name="folder">Where to.</param>
    /// <param name="latents">The features that get a page.</param>
    /// <param name="progress">Told how many pages are written.</param>
    /// <param name="cancellation">Stops between two pages.</param>
    /// <exception cref="InvalidOperationException">The run has no index; or the server of the pages failed on one.</exception>
    public static async Task<ExportedSite> Write(ExplorerSource source, string folder, IReadOnlyList<int> latents, IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        await using var app = ExplorerServer.Create(source, new ExplorerOptions { Port = 0, ReadOnly = true });
        await app.StartAsync(cancellation);
        var explored = (Explored)app.Services.GetService(typeof(Explored))!;
        explored.IndexOrFault();
        using var http = new HttpClient { BaseAddress = new Uri(ExplorerServer.AddressOf(app)), Timeout = TimeSpan.FromMinutes(5) };
        var files = new Dictionary<string, string> { [""] = "index.html", ["features"] = "features.html", [$"runs/{explored.Run.Name}"] = "run.html" };
        foreach (string page in Whole) files[page] = page + ".html";
        foreach (int latent in latents) files[$"features/{latent}"] = $"features/{latent}.html";
        string notice = Html.Escape($"A copy of the explorer of “{explored.Run.Name}”, made {DateTime.Now:yyyy-MM-dd} by parsimony export html with {latents.Count} of {explored.Index!.DSae} features. What is live is not in it.");

        long bytes = 0;
        int done = 0;
        foreach (var (address, file) in files)
        {
            cancellation.ThrowIfCancellationRequested();
            string html;
            if (address == "features") html = ExportedList.Page(await Fetch(http, "labels", cancellation), explored, latents);
            else html = await Fetch(http, address, cancellation);
            html = StaticPage.Of(html, file, files, notice);
            AtomicFile.WriteText(Path.Combine(folder, file), html);
            bytes += Encoding.UTF8.GetByteCount(html);
            progress?.Report(++done);
        }
        foreach (var (name, content) in Assets.All)
        {
            AtomicFile.Write(Path.Combine(folder, "assets", name), stream => stream.Write(content));
            bytes += content.Length;
        }
        await app.StopAsync(CancellationToken.None);
        return new(folder, files.Count, latents.Count, bytes);
    }

    private static async Task<string> Fetch(HttpClient http, string address, CancellationToken cancellation)
    {
        using var answer = await http.GetAsync(new Uri("/" + address, UriKind.Relative), cancellation);
        string text = await answer.Content.ReadAsStringAsync(cancellation);
        return answer.IsSuccessStatusCode ? text : throw new InvalidOperationException($"the page /{address} could not be made ({(int)answer.StatusCode}): {text[..Math.Min(300, text.Length)]}");
    }
}
