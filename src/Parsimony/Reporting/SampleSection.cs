namespace Parsimony.Reporting;

/// <summary>Text written by the model, before and after side by side.</summary>
internal static class SampleSection
{
    /// <summary>The section; null when no text was written.</summary>
    public static Section? Render(RunReport r)
    {
        if (r.Samples is not { Count: > 0 } samples) return null;
        bool after = samples.Any(sample => sample.After is not null);
        string body = string.Join("\n", samples.Select(sample => $"""
            <div class="sample">
            {Text(after ? "Before" : "The model", sample.Prompt, sample.Before)}
            {(sample.After is { } text ? Text("After", sample.Prompt, text) : "")}
            </div>
            """));
        string how = after ? ", with the same seed, with the dials at rest and as learned" : "";
        return new Section("samples", after ? "Text before and after" : "Text", $"""
            <p class="note">The model goes on from the same opening{how}. The opening is set in grey.</p>
            {body}
            """);
    }

    private static string Text(string name, string prompt, string text)
    {
        string opening = Html.Visible(prompt, breakLines: true), rest = Html.Visible(text, breakLines: true);
        return $"<div class=\"text\"><h3>{name}</h3><p dir=\"auto\"><span class=\"prompt\">{opening}</span>{rest}</p></div>";
    }
}
