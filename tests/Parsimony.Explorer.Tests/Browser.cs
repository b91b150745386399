using Microsoft.Playwright;
using Xunit;

[assembly: AssemblyFixture(typeof(Parsimony.Explorer.Tests.Browser))]

namespace Parsimony.Explorer.Tests;

/// <summary>Debian's Chromium, driven by Playwright; one for all tests. Without it browser tests are skipped, and fail under CI.</summary>
public sealed class Browser : IAsyncLifetime
{
    private static readonly string Executable = Environment.GetEnvironmentVariable("PARSIMONY_CHROMIUM") ?? "/usr/bin/chromium";

    private IPlaywright? playwright;
    private IBrowser? chromium;

    /// <summary>Where pictures of pages go: <c>artifacts/screenshots</c>.</summary>
    public static string Screenshots { get; } = Path.Combine(Parsimony.Tests.Shared.RepositoryRoot(), "artifacts", "screenshots");

    /// <inheritdoc/>
    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    /// <summary>A fresh page at an address of the explorer. What it writes to the console as an error, or fails to load, is collected.</summary>
    public Task<ExplorerPage> Open(DemoRun run, string path, ColorScheme scheme = ColorScheme.Light) => Open(run.Address, path, scheme);

    /// <summary>The same of an explorer that listens at an address.</summary>
    public async Task<ExplorerPage> Open(string address, string path, ColorScheme scheme = ColorScheme.Light)
    {
        if (!File.Exists(Executable))
        {
            string reason = $"Chromium is not installed ({Executable}): apt-get install chromium fonts-dejavu-core, or name one in PARSIMONY_CHROMIUM";
            Assert.SkipUnless(Environment.GetEnvironmentVariable("CI") is { Length: > 0 }, reason);
            Assert.Fail(reason);
        }
        playwright ??= await Playwright.CreateAsync();
        chromium ??= await playwright.Chromium.LaunchAsync(new()
        {
            ExecutablePath = Executable,
            Headless = true,
            Args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"],
        });
        var context = await chromium.NewContextAsync(new() { BaseURL = address, ColorScheme = scheme, ViewportSize = new() { Width = 1280, Height = 900 } });
        context.SetDefaultTimeout(60_000); // two cores, perhaps with other work
        var page = new ExplorerPage(context, await context.NewPageAsync());
        await page.Go(path);
        return page;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (chromium is not null) await chromium.DisposeAsync();
        playwright?.Dispose();
    }
}

/// <summary>A page in the browser, with its errors.</summary>
public sealed class ExplorerPage(IBrowserContext context, IPage page) : IAsyncDisposable
{
    private readonly List<string> errors = Listen(page);

    /// <summary>The page.</summary>
    public IPage Page => page;

    /// <summary>What went wrong so far.</summary>
    public IReadOnlyList<string> Errors => errors;

    /// <summary>Goes to an address and waits until it is there and what is live on it can be used.</summary>
    public async Task Go(string path)
    {
        await page.GotoAsync(path);
        await Live();
    }

    /// <summary>Waits until every live part of the page can be used.</summary>
    public Task Live() => page.WaitForFunctionAsync("() => document.readyState === 'complete' && document.querySelectorAll('[data-live=no]').length === 0");

    /// <summary>Writes a picture of the whole page to <see cref="Browser.Screenshots"/>.</summary>
    public async Task Picture(string name, bool whole = true)
    {
        Directory.CreateDirectory(Browser.Screenshots);
        await page.ScreenshotAsync(new() { Path = Path.Combine(Browser.Screenshots, name + ".png"), FullPage = whole });
    }

    /// <summary>Fails where the page has written an error to its console.</summary>
    public void EnsureNoErrors() => Assert.Empty(errors);

    private static List<string> Listen(IPage page)
    {
        var errors = new List<string>();
        page.Console += (_, message) => { if (message.Type == "error") errors.Add($"{message.Text} ({message.Location})"); };
        page.PageError += (_, error) => errors.Add(error);
        page.RequestFailed += (_, request) => { if (request.Failure is { } failure && !failure.Contains("ERR_ABORTED", StringComparison.Ordinal)) errors.Add($"{request.Url}: {failure}"); };
        return errors;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => context.DisposeAsync();
}
