using System.Text;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Parsimony.Reporting;
using ScottPlot;
using Xunit;

namespace Parsimony.Tests.Reporting;

public sealed partial class ReportHtmlTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("report").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void The_page_is_well_formed_and_small()
    {
        string page = Page(SomeReport.Full(), SomeReport.Curves());
        Assert.StartsWith("<!DOCTYPE html>", page, StringComparison.Ordinal);
        Assert.InRange(Encoding.UTF8.GetByteCount(page), 50_000, 2_000_000);
        var body = Parse(page).Descendants("body").Single();
        Assert.Equal(9, body.Descendants("svg").Count());
        Assert.All(body.Descendants("svg"), svg => Assert.True(svg.Attribute("aria-label")!.Value.Length > 20));
        var ids = Parse(page).Descendants().Attributes("id").Select(id => id.Value).ToArray();
        Assert.Equal(ids.Distinct(), ids);
    }

    [Fact]
    public void The_page_asks_for_nothing_outside_itself()
    {
        string page = Page(SomeReport.Full(), SomeReport.Curves());
        Assert.DoesNotContain("http:", page, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("https:", page, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("@import", page, StringComparison.Ordinal);
        Assert.All(CssAddress().Matches(page), use => Assert.Matches("^(data:|#)", use.Groups[1].Value));
        var html = Parse(page);
        Assert.DoesNotContain(html.Descendants(), e => e.Name.LocalName is "script" or "iframe" or "img" or "object" or "embed" or "form");
        Assert.DoesNotContain(html.Descendants().Attributes(), a => a.Name.LocalName.StartsWith("on", StringComparison.Ordinal));
        Assert.All(html.Descendants().Attributes().Where(a => a.Name.LocalName is "href" or "src"), a => Assert.Matches("^(#|data:)", a.Value));
    }

    [Fact]
    public void Every_link_leads_to_a_section()
    {
        var html = Parse(Page(SomeReport.Full(), SomeReport.Curves()));
        Assert.Equal(html.Descendants("section").Select(s => "#" + s.Attribute("id")!.Value), html.Descendants("a").Select(a => a.Attribute("href")!.Value));
    }

    [Fact]
    public void Pictures_have_text_and_the_pages_colours()
    {
        foreach (var svg in Parse(Page(SomeReport.Full(), SomeReport.Curves())).Descendants("svg"))
        {
            Assert.NotEmpty(svg.Descendants("text"));
            var colours = svg.Descendants().Attributes().Where(a => a.Name.LocalName is "fill" or "stroke").Select(a => a.Value).Distinct();
            Assert.All(colours, colour => Assert.Matches("^(none|var\\(--[a-z]+\\))$", colour));
        }
    }

    [Fact]
    public void Pictures_are_set_in_the_typeface_that_the_library_carries()
    {
        ChartFont.Register();
        Assert.Equal("Inter", Fonts.GetTypeface(ChartFont.Name, bold: false, italic: false).FamilyName);
        Assert.Equal("Inter", Fonts.GetTypeface(ChartFont.Name, FontWeight.Normal, FontSlant.Upright, FontSpacing.Normal).FamilyName);
    }

    [Fact]
    public void Hostile_text_stays_text()
    {
        byte[][] tokens =
        [
            "<b>"u8.ToArray(), "&amp;"u8.ToArray(), "</article><script>alert(1)</script>"u8.ToArray(), [0xF0, 0x9F], [0x98, 0x80], "مرحبا"u8.ToArray(),
            "漢字"u8.ToArray(), [0, 7, 27], [0xD8], "\u202Eevil\u2066"u8.ToArray(), "\"'\n\t"u8.ToArray(),
        ];
        var context = ShadedText.Join(tokens, [.. Enumerable.Range(1, tokens.Length).Select(i => (float)i)], 10);
        const string name = "<img src=x onerror=alert(1)>\u0001\"";
        var report = SomeReport.Full() with
        {
            ModelName = name,
            Command = name,
            Features = [SomeReport.Panel(1) with { Contexts = [context], Promoted = [new TokenLogit(name, 1)], MaxActivation = 11 }],
            Samples = [new TextSample { Prompt = name, Before = name, After = "</p>\u202E" }],
            Finetune = SomeReport.Full().Finetune! with { Task = name },
            Seconds = new Dictionary<string, double> { [name] = 1 },
        };
        string page = Page(report, null);
        var html = Parse(page);
        Assert.DoesNotContain(html.Descendants(), e => e.Name.LocalName is "script" or "img" || (e.Name.LocalName == "b" && e.Value == ""));
        string shown = html.Descendants("ol").First().Value;
        Assert.Equal("<b>&amp;</article><script>alert(1)</script>\U0001F600مرحبا漢字\\x00\\x07\\x1b\\xd8\\u202eevil\\u2066\"'↵⇥", shown);
        Assert.DoesNotContain('\u202E', page);
        Assert.Contains("<span style=\"--a:0.455\" title=\"5\">\U0001F600</span>", page, StringComparison.Ordinal);
    }

    [Fact]
    public void What_a_run_did_not_do_is_not_on_the_page()
    {
        Assert.Equal(["splice", "density", "features", "run"], Sections(Page(SomeReport.Trained(), null)));
        Assert.Equal(["run"], Sections(Page(new RunReport { Version = "0.1.0" }, null)));
        Assert.DoesNotContain("class=\"cards\"", Page(new RunReport { Version = "0.1.0" }, null), StringComparison.Ordinal);
        Assert.Equal(
            ["splice", "training", "density", "features", "dials", "moved", "samples", "run"], Sections(Page(SomeReport.Full(), SomeReport.Curves())));
    }

    [Fact]
    public void A_run_of_many_layers_and_odd_numbers_is_drawn_too()
    {
        var report = SomeReport.Full() with
        {
            LayerSweep = [.. Enumerable.Range(0, 48).Select(layer => new LayerSweepEntry { Layer = layer, CeSpliced = 3 + layer })],
            CeLossRecovered = -0.2,
            Dials = DialSummary.Of([1f], [0f]),
            Density = DensityHistogram.Of([0, 0, 1]),
            MostMoved = [SomeReport.Panel(3) with { Scale = -1, Shift = double.NaN, Contexts = [], MaxActivation = 0 }],
        };
        var curves = new Dictionary<string, Curve>
        {
            ["loss"] = Curve.Thin([0, 1], [0, 0]),
            ["l0"] = Curve.Thin([5, 6], [3, 3]),
            ["explained_variance"] = Curve.Thin([0, 1], [-7, 0.2]),
        };
        Assert.NotEmpty(Parse(Page(report, curves)).Descendants("svg"));
    }

    [Fact]
    public void The_same_report_gives_the_same_page() =>
        Assert.Equal(Page(SomeReport.Full(), SomeReport.Curves()), Page(SomeReport.Full(), SomeReport.Curves()));

    [Fact]
    public void Pictures_are_written_as_files_when_a_folder_is_given()
    {
        ReportHtml.Write(Path.Combine(folder, "report.html"), SomeReport.Trained(), plotsFolder: Path.Combine(folder, "plots"));
        Assert.Equal(["density.png", "layer_sweep.png"], Directory.GetFiles(Path.Combine(folder, "plots")).Select(Path.GetFileName).Order());
        Assert.Equal(["report.html"], Directory.GetFiles(folder).Select(Path.GetFileName));
    }

    private string Page(RunReport report, IReadOnlyDictionary<string, Curve>? curves)
    {
        string path = Path.Combine(folder, "page.html");
        ReportHtml.Write(path, report, curves);
        return File.ReadAllText(path);
    }

    private static IEnumerable<string> Sections(string page) => Parse(page).Descendants("section").Select(s => s.Attribute("id")!.Value);

    private static XDocument Parse(string page) => XDocument.Parse(page["<!DOCTYPE html>".Length..]);

    [GeneratedRegex(@"url\([""']?([^""')]*)")]
    private static partial Regex CssAddress();
}
