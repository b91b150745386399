using System.Net;
using System.Text;
using Xunit;

namespace Parsimony.Explorer.Tests;

/// <summary>What a page elsewhere could make a browser ask for is refused.</summary>
public sealed class GuardTests(DemoRun run)
{
    private async Task<(HttpStatusCode Status, string Text)> Send(HttpMethod method, string path, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, path);
        foreach (var (name, value) in headers) request.Headers.TryAddWithoutValidation(name, value);
        if (method == HttpMethod.Post) request.Content = new StringContent("{}", Encoding.UTF8, "application/json");
        using var answer = await run.Http.SendAsync(request);
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task A_foreign_host_name_is_refused_by_name()
    {
        var (status, text) = await Send(HttpMethod.Get, "/", ("Host", "evil.example:5170"));
        Assert.Equal(HttpStatusCode.Forbidden, status);
        Assert.Contains("'evil.example' is not a name of this explorer", text, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await Send(HttpMethod.Get, "/healthz", ("Host", "localhost:5170"))).Status);
    }

    [Theory]
    [InlineData("POST", "/_blazor/negotiate?negotiateVersion=1")]
    [InlineData("GET", "/_blazor?id=1")]
    public async Task A_foreign_origin_may_not_write_nor_open_a_connection(string method, string path)
    {
        var (status, text) = await Send(new HttpMethod(method), path, ("Origin", "http://evil.example"));
        Assert.Equal(HttpStatusCode.Forbidden, status);
        Assert.Contains("another origin", text, StringComparison.Ordinal);
        Assert.NotEqual(HttpStatusCode.Forbidden, (await Send(new HttpMethod(method), path, ("Origin", run.Address))).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await Send(new HttpMethod(method), path, ("Sec-Fetch-Site", "cross-site"))).Status);
    }

    [Fact]
    public async Task Pages_may_load_nothing_from_elsewhere()
    {
        using var answer = await run.Http.GetAsync(new Uri("/", UriKind.Relative));
        string policy = Assert.Single(answer.Headers.GetValues("Content-Security-Policy"));
        Assert.Contains("default-src 'none'", policy, StringComparison.Ordinal);
        Assert.Contains("frame-ancestors 'none'", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("http", await answer.Content.ReadAsStringAsync() is var html ? string.Concat(Links(html)) : "", StringComparison.Ordinal);
    }

    private static IEnumerable<string> Links(string html) => System.Text.RegularExpressions.Regex.Matches(html, "(?:src|href)=\"([^\"]*)\"").Select(m => m.Groups[1].Value);
}
