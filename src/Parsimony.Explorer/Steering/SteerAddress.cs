using System.Globalization;
using Parsimony.Explorer.Model;

namespace Parsimony.Explorer.Steering;

/// <summary>The whole state of the steering page, as it stands in its address.</summary>
internal sealed record SteerAddress
{
    /// <summary>What is done to the SAE.</summary>
    public FeatureEdits Edits { get; init; } = FeatureEdits.None;

    /// <summary>What is gone on from.</summary>
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
        if (Prompt.Length > 0) parts.Add("prompt=" + Uri.EscapeDataString(Prompt));
        if (Seed != 0) parts.Add("seed=" + Seed.ToString(CultureInfo.InvariantCulture));
        if (Temperature != 1) parts.Add("temperature=" + Temperature.ToString(CultureInfo.InvariantCulture));
        if (Length != 48) parts.Add("length=" + Length.ToString(CultureInfo.InvariantCulture));
        return "steer" + (parts.Count > 0 ? "?" + string.Join('&', parts) : "");
    }
}
