namespace Parsimony.Reporting;

/// <summary>One row of a table with a bar in it.</summary>
/// <param name="Name">What it is.</param>
/// <param name="Share">Length of the bar, 0 to 1.</param>
/// <param name="Ink">Colour of the bar.</param>
/// <param name="Values">Numbers after the bar.</param>
internal readonly record struct BarRow(string Name, double Share, Ink Ink, params string[] Values);

/// <summary>Tables with a bar in each row.</summary>
internal static class Bars
{
    /// <summary>A table.</summary>
    /// <param name="columns">Headings: of the names, of the bars, of each number.</param>
    /// <param name="rows">The rows.</param>
    public static string Table(string[] columns, IEnumerable<BarRow> rows)
    {
        string head = string.Concat(columns.Select(column => $"<th scope=\"col\">{Html.Escape(column)}</th>"));
        return $"""
            <table class="bars">
            <thead><tr>{head}</tr></thead>
            <tbody>
            {string.Join("\n", rows.Select(Row))}
            </tbody>
            </table>
            """;
    }

    private static string Row(BarRow bar)
    {
        string style = $"--w:{Html.Css(bar.Share)};--k:var({bar.Ink.Variable})";
        string values = string.Concat(bar.Values.Select(value => $"<td>{Html.Escape(value)}</td>"));
        return $"<tr><th scope=\"row\">{Html.Escape(bar.Name)}</th><td class=\"bar\"><span style=\"{style}\"></span></td>{values}</tr>";
    }
}
