using System.Globalization;
using Parsimony.Explorer.Model;

namespace Parsimony.Explorer.Comparing;

/// <summary>The whole state of a page that writes two sides, as it stands in its address: who opens it sees the same, and has the same text written.</summary>
/// <param name="Path">compare or steer.</param>
public sealed record SidesAddress(string Path = "compare")
{
    /// <summary>What is done to the SAE on the edited side.</summary>
    public FeatureEdits Edits { get; init; } = FeatureEdits.None;

    /// <summary>measured or predicted; null: measured where it was.</summary>
    public string? Rank { get; init; }

    /// <summary>Column the table is sorted by; null: effect.</summary>
    public string? Sort { get; init; }

    /// <summary>Page of the table, from 1.</summary>
    public int Page { get; init; } = 1;

    /// <summary>The latent whose drawer is open; null: none.</summary>
    public int? Feature { get; init; }

    /// <summary>What both sides go on from; empty: nothing was written.</summary>
    public string Prompt { get; init; } = "";

    /// <summary>Seed of both sides.</summary>
    public long Seed { get; init; }

    /// <summary>Divides the logits.</summary>
    public double Temperature { get; init; } = 1;

    /// <summary>New tokens at most.</summary>
    public int Length { get; init; } = 48;

    /// <summary>The address; what is as usual is left out.</summary>
    public string ToUrl()
    {
        var parts = new List<string>();
        if (Edits.ToQuery() is { Length: > 0 } edits) parts.Add(edits);
        void Add(string name, string? value, string usual = "")
        {
            if (!string.IsNullOrEmpty(value) && value != usual) parts.Add($"{name}={Uri.EscapeDataString(value)}");
        }
        Add("rank", Rank);
        Add("sort", Sort, "effect");
        Add("page", Page.ToString(CultureInfo.InvariantCulture), "1");
        Add("feature", Feature?.ToString(CultureInfo.InvariantCulture));
        Add("prompt", Prompt);
        Add("seed", Seed.ToString(CultureInfo.InvariantCulture), "0");
        Add("temperature", Temperature.ToString(CultureInfo.InvariantCulture), "1");
        Add("length", Length.ToString(CultureInfo.InvariantCulture), "48");
        return Path + (parts.Count > 0 ? "?" + string.Join('&', parts) : "");
    }
}
