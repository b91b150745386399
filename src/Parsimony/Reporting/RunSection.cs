using System.Globalization;

namespace Parsimony.Reporting;

/// <summary>What is needed to do the run again, and where the time went.</summary>
internal static class RunSection
{
    /// <summary>The section.</summary>
    public static Section Render(RunReport r)
    {
        (string Name, string? Value)[] facts =
        [
            ("Seed", r.Seed?.ToString(CultureInfo.InvariantCulture)), ("Version", r.Version),
            ("Date", r.Date?.ToString("yyyy-MM-dd HH:mm:ss zzz", CultureInfo.InvariantCulture)), ("Model", r.ModelName),
            ("Hook point", r.Hook), ("Tokens seen", r.TokensSeen is { } tokens ? Number.Count(tokens) : null),
        ];
        (string Name, string? Value)[] codes =
        [
            ("Command", r.Command), ("Model SHA-256", r.ModelSha256), ("Autoencoder SHA-256", r.SaeSha256),
            ("Tokenizer SHA-256", r.TokenizerSha256),
        ];
        return new Section("run", "The run", $"""
            <div class="pair">
            <dl>
            {List(codes[..1], "code")}
            {List(facts, "span")}
            {List(codes[1..], "code")}
            </dl>
            {Times(r)}
            </div>
            """);
    }

    private static string List((string Name, string? Value)[] facts, string element) => string.Join("\n", facts
        .Where(fact => fact.Value is not null)
        .Select(fact => $"<dt>{fact.Name}</dt><dd><{element}>{Html.Escape(fact.Value)}</{element}></dd>"));

    private static string Times(RunReport r)
    {
        if (r.Seconds is not { Count: > 0 } seconds) return "";
        double longest = Math.Max(1e-9, seconds.Values.Max());
        var rows = seconds.Select(s => new BarRow(s.Key.Replace('_', ' '), s.Value / longest, Ink.Soft, Number.Duration(s.Value)));
        return $"""
            <figure>
            <h3>Where the time went</h3>
            {Bars.Table(["step", "time", ""], rows)}
            </figure>
            """;
    }
}
