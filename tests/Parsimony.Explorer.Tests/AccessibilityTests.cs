using Deque.AxeCore.Playwright;
using Microsoft.Playwright;
using Xunit;

namespace Parsimony.Explorer.Tests;

/// <summary>Every page by the rules of WCAG 2.1 A and AA that a program can check (axe-core), in light and dark: labels, contrast, names, headings, languages.</summary>
public sealed class AccessibilityTests(DemoRun run, Browser browser)
{
    [Theory]
    [InlineData("/", ColorScheme.Light)]
    [InlineData("/", ColorScheme.Dark)]
    [InlineData("/sae", ColorScheme.Light)]
    [InlineData("/features", ColorScheme.Light)]
    [InlineData("/features/3", ColorScheme.Light)]
    [InlineData("/features/3", ColorScheme.Dark)]
    [InlineData("/prompt?text=The+old+king", ColorScheme.Light)]
    [InlineData("/compare?prompt=The+cat&length=6", ColorScheme.Light)]
    [InlineData("/compare?prompt=The+cat&length=6", ColorScheme.Dark)]
    [InlineData("/steer?edit=3c2", ColorScheme.Light)]
    [InlineData("/rlhf", ColorScheme.Light)]
    [InlineData("/labels", ColorScheme.Dark)]
    public async Task A_page_breaks_no_rule(string path, ColorScheme scheme)
    {
        await using var at = await browser.Open(run, path, scheme);
        await at.Page.WaitForFunctionAsync("() => !document.querySelector('[aria-busy=true]')");
        var found = await at.Page.RunAxe(new() { RunOnly = new() { Type = "tag", Values = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] } });
        Assert.True(found.Violations.Length == 0, string.Join('\n', found.Violations.Select(v => $"{v.Id}: {v.Help}\n  {string.Join("\n  ", v.Nodes.Take(4).Select(n => n.Html))}")));
    }
}
