using System.Text.Json.Nodes;
using System.Xml.Linq;
using Parsimony.FineTuning.Analysis;
using Parsimony.Reporting;
using Parsimony.Tests.FineTuning.Analysis;
using Parsimony.Tests.Splicing;
using Xunit;

namespace Parsimony.Tests.Reporting;

public sealed class AnalysisSectionTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("report").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private static readonly Lazy<DialAnalysis> Analysed = new(() =>
    {
        using var some = new SomeAnalysis(vocabulary: 265);
        using var retrained = TinySae.Random(seed: 8);
        return new DialAnalyser(some.Seam, new AnalysisOptions { Features = 20, LeaveOneOut = 4 }).Analyse(new AnalysisSubject
        {
            Change = SomeAnalysis.Change(),
            Objective = some.Loss(10),
            Texts = SomeAnalysis.Texts(6),
            Nulls = [SomeAnalysis.Change(0.3), SomeAnalysis.Change(0.4).Without([20, 21, 22])],
            HeldOutText = new LossObjective(some.Seam, SomeAnalysis.Examples(4, seed: 31)),
            Retrained = retrained,
            Others = [new ParetoPoint("lora", 280, 0.05, 80), new ParetoPoint("neurons", 300, 0.02, 64), new ParetoPoint("steering <vector>", 290, 0.01)],
        });
    });

    private static RlhfSummary Rlhf => new()
    {
        Algorithm = "ppo",
        Task = "say fewer <harsh> words.",
        Steps = 120,
        TrainableParameters = 4096,
        Continuations = 400,
        HitsRewardedBefore = 14.2,
        HitsRewardedAfter = 3.1,
        HitsHeldoutBefore = 9.7,
        HitsHeldoutAfter = 7.4,
        NullHitsRewardedAfter = 13.8,
        NullHitsHeldoutAfter = 9.9,
        Intervals = new Dictionary<string, double[]>
        {
            ["hits_rewarded_before"] = [12.9, 15.5],
            ["hits_rewarded_after"] = [2.4, 3.9],
            ["hits_heldout_before"] = [8.6, 10.9],
            ["hits_heldout_after"] = [6.4, 8.5],
            ["null_hits_rewarded_after"] = [12.5, 15.1],
            ["null_hits_heldout_after"] = [8.8, 11.1],
        },
        Kl = 1.84,
        PerplexityBefore = 21.4,
        PerplexityAfter = 21.9,
        DistinctPairsBefore = 0.412,
        DistinctPairsAfter = 0.398,
        LengthBefore = 31.2,
        LengthAfter = 30.8,
        LatentsChanged = 2048,
    };

    private static RunReport Report => SomeReport.Full() with { Analysis = Analysed.Value, Rlhf = Rlhf };

    private static Dictionary<string, Curve> Curves()
    {
        double[] steps = [.. Enumerable.Range(1, 120).Select(i => (double)i)];
        return new Dictionary<string, Curve>(SomeReport.Curves())
        {
            ["rlhf_reward"] = Curve.Thin(steps, [.. steps.Select(s => -1.2 + s / 150)]),
            ["rlhf_kl"] = Curve.Thin(steps, [.. steps.Select(s => s / 60)]),
        };
    }

    [Fact]
    public void What_changed_and_what_was_learnt_from_rewards_have_their_sections_before_the_moved_features()
    {
        var page = Page(Report, Curves());
        Assert.Equal(["splice", "training", "density", "features", "dials", "rlhf", "analysis", "moved", "samples", "run"], page.Descendants("section").Select(s => s.Attribute("id")!.Value));
        Assert.Equal(16, page.Descendants("svg").Count());
        var ids = page.Descendants().Attributes("id").Select(id => id.Value).ToArray();
        Assert.Equal(ids.Distinct(), ids);
    }

    [Fact]
    public void The_verdict_stands_first_and_is_the_analysis_own()
    {
        var section = Section("analysis");
        Assert.Equal(Analysed.Value.Sentences, section.Descendants("ul").First().Elements("li").Select(li => li.Value));
        Assert.Contains("Against null runs", section.Value, StringComparison.Ordinal);
        Assert.Contains("The ledger", section.Value, StringComparison.Ordinal);
        Assert.Contains("steering <vector>", section.Descendants("svg").Last().Attribute("aria-label")!.Value, StringComparison.Ordinal);
        Assert.All(section.Descendants("svg"), svg => Assert.True(svg.Attribute("aria-label")!.Value.Length > 40));
    }

    [Fact]
    public void Pictures_of_an_analysis_have_the_pages_colours()
    {
        foreach (var svg in Section("analysis").Descendants("svg").Concat(Section("rlhf").Descendants("svg")))
        {
            Assert.NotEmpty(svg.Descendants("text"));
            var colours = svg.Descendants().Attributes().Where(a => a.Name.LocalName is "fill" or "stroke").Select(a => a.Value).Distinct();
            Assert.All(colours, colour => Assert.Matches("^(none|var\\(--[a-z]+\\))$", colour));
        }
    }

    [Fact]
    public void Hits_are_shown_before_and_after_with_their_intervals_and_the_null_run()
    {
        var section = Section("rlhf");
        string[] rows = [.. section.Descendants("table").First().Descendants("tbody").Single().Elements("tr").Select(tr => tr.Value.Trim())];
        Assert.Equal(
            ["Rewarded words, before14.212.9 to 15.5", "after3.12.4 to 3.9", "after, without a signal13.812.5 to 15.1", "Held-out words, before9.78.6 to 10.9", "after7.46.4 to 8.5", "after, without a signal9.98.8 to 11.1"],
            rows);
        Assert.Contains("say fewer <harsh> words.", section.Value, StringComparison.Ordinal);
        Assert.Contains("21.9", section.Value, StringComparison.Ordinal);
        var bare = Page(SomeReport.Trained() with { Rlhf = Rlhf with { HitsRewardedBefore = null, HitsRewardedAfter = null, HitsHeldoutBefore = null, HitsHeldoutAfter = null, NullHitsRewardedAfter = null, NullHitsHeldoutAfter = null, PerplexityBefore = null, PerplexityAfter = null } }, null);
        Assert.DoesNotContain("per 1000", bare.Descendants("section").Single(s => s.Attribute("id")!.Value == "rlhf").Value, StringComparison.Ordinal);
    }

    [Fact]
    public void Several_hook_points_have_a_section_each_and_one_together()
    {
        var a = Analysed.Value;
        var joint = new JointLedger
        {
            Hooks = [new("blocks.1.mlp_out", 32, 0.75 * a.Change.Value, 0.75), new("blocks.2.mlp_out", 9, 0.25 * a.Change.Value, 0.25)],
            Ledger = a.Ledger with { Entries = [.. a.Ledger.Entries.Select((e, i) => e with { Hook = i % 2 == 0 ? "blocks.1.mlp_out" : "blocks.2.mlp_out" })] },
        };
        var page = Page(Report with { FurtherAnalyses = [a with { Hook = "blocks.2.mlp_out" }], JointLedger = joint }, Curves());
        Assert.Equal(["rlhf", "analysis-joint", "analysis", "analysis-2", "moved"], page.Descendants("section").Select(s => s.Attribute("id")!.Value).SkipWhile(id => id != "rlhf").Take(5));
        var ids = page.Descendants().Attributes("id").Select(id => id.Value).ToArray();
        Assert.Equal(ids.Distinct(), ids);
        XElement Of(string id) => page.Descendants("section").Single(s => s.Attribute("id")!.Value == id);
        Assert.Equal(("What changed at blocks.1.mlp_out", "What changed at blocks.2.mlp_out"), (Of("analysis").Element("h2")!.Value, Of("analysis-2").Element("h2")!.Value));
        Assert.Equal(Of("analysis").Descendants("svg").Count(), Of("analysis-2").Descendants("svg").Count());
        Assert.Contains("75\u202f%", Of("analysis-joint").Descendants("table").First().Value, StringComparison.Ordinal);
        Assert.Contains($"blocks.2.mlp_out, {a.Ledger.Entries[1].Latent}", Of("analysis-joint").Value, StringComparison.Ordinal);
    }

    [Fact]
    public void An_analysis_of_nothing_says_so_and_draws_nothing()
    {
        using var some = new SomeAnalysis();
        var none = new DialAnalyser(some.Seam).Analyse(new AnalysisSubject { Change = DialChange.None(40), Objective = some.Loss(), Texts = SomeAnalysis.Texts() });
        var section = Page(SomeReport.Trained() with { Analysis = none }, null).Descendants("section").Single(s => s.Attribute("id")!.Value == "analysis");
        Assert.Contains("All dials are at rest", section.Value, StringComparison.Ordinal);
        Assert.Empty(section.Descendants("svg"));
    }

    [Fact]
    public void The_analysis_is_in_the_runs_report_and_read_back()
    {
        string path = Path.Combine(folder, "report.json");
        Report.Save(path);
        Assert.Equal(Report.ToJson(), RunReport.Load(path).ToJson());
        var json = JsonNode.Parse(File.ReadAllText(path))!["analysis"]!;
        Assert.Equal(Analysed.Value.Changed, (int)json["changed"]!);
    }

    private XElement Section(string id) => Page(Report, Curves()).Descendants("section").Single(s => s.Attribute("id")!.Value == id);

    private XDocument Page(RunReport report, IReadOnlyDictionary<string, Curve>? curves)
    {
        string path = Path.Combine(folder, "page.html");
        string? keep = Environment.GetEnvironmentVariable("PARSIMONY_TEST_PAGE");
        ReportHtml.Write(path, report, curves, keep is null ? null : Path.Combine(keep, "plots"));
        if (keep is not null) File.Copy(path, Path.Combine(keep, "page.html"), overwrite: true);
        return XDocument.Parse(File.ReadAllText(path)["<!DOCTYPE html>".Length..]);
    }
}
