using Parsimony.Explorer.Model;
using Xunit;

namespace Parsimony.Explorer.Tests;

/// <summary>Edits go into an address and come back from it.</summary>
public sealed class FeatureEditsTests
{
    [Theory]
    [InlineData("")]
    [InlineData("adapter=rlhf")]
    [InlineData("adapter=rlhf&weight=-0.5&off=3.12")]
    [InlineData("edit=7c2d-0.1_9x4.2")]
    [InlineData("adapter=a%26b&weight=2&off=1&edit=0c0")]
    public void An_address_comes_back_as_it_was(string query)
    {
        var parts = query.Split('&', StringSplitOptions.RemoveEmptyEntries).Select(p => p.Split('=')).ToDictionary(p => p[0], p => Uri.UnescapeDataString(p[1]));
        var edits = FeatureEdits.Parse(parts.GetValueOrDefault("adapter"), parts.GetValueOrDefault("weight"), parts.GetValueOrDefault("off"), parts.GetValueOrDefault("edit"), 20);
        Assert.Equal(query, edits.ToQuery());
    }

    [Theory]
    [InlineData("3", null, null, "weight is 3; it must be -1 to 2")]
    [InlineData("x", null, null, "'x' in weight is not a number")]
    [InlineData(null, "20", null, "there is no latent '20'; this SAE has latents 0 to 19")]
    [InlineData(null, null, "5q1", "'5q1' is no edit of a latent")]
    [InlineData(null, null, "5c", "is not a number")]
    [InlineData(null, null, "c5", "there is no latent ''")]
    public void What_is_not_an_edit_is_said(string? weight, string? off, string? edit, string message) =>
        Assert.Contains(message, Assert.Throws<ArgumentException>(() => FeatureEdits.Parse(null, weight, off, edit, 20)).Message, StringComparison.Ordinal);
}
