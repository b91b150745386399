using Parsimony.FineTuning.Analysis;
using Parsimony.Tests.FineTuning.Policy;
using Parsimony.Tests.FineTuning.Rewards;
using Parsimony.Tests.Splicing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Analysis;

public sealed class DialAnalyserTests : IDisposable
{
    private readonly SomeAnalysis some = new(vocabulary: 265);
    private static readonly AnalysisOptions Small = new() { Features = 12, LeaveOneOut = 4, RandomControls = 2, Doses = 3, TopContexts = 3 };

    private AnalysisSubject Subject(DialChange change) => new()
    {
        Change = change,
        Objective = some.Loss(10),
        Texts = SomeAnalysis.Texts(6),
        LearntFrom = new LossObjective(some.Seam, SomeAnalysis.Examples(8, seed: 9), "training loss"),
        Nulls = [SomeAnalysis.Change(0.3), SomeAnalysis.Change(0.2)],
        HeldOutText = new LossObjective(some.Seam, SomeAnalysis.Examples(4, seed: 31)),
        Retrained = TinySae.Random(seed: 8),
        Others = [new ParetoPoint("lora", 3, 0.5, 80), new ParetoPoint("nothing", 0, 0)],
    };

    [Fact]
    public void The_parts_of_an_analysis_agree_with_each_other()
    {
        var change = SomeAnalysis.Change();
        var seen = new List<AnalysisProgress>();
        var a = new DialAnalyser(some.Seam, Small).Analyse(Subject(change), new Told(seen));
        Assert.Equal((40, 32, 72L), (a.DSae, a.Changed, a.TokensSeen));
        Assert.Equal(a.Tuned.Total - a.Reference.Total, a.Change.Value, 1e-12);
        Assert.True(a.Change.Low <= a.Change.Value && a.Change.Value <= a.Change.High);
        Assert.Equal(a.Change.Value, a.Ledger.Change, 1e-12);
        Assert.Equal(a.Change.Value, a.Ledger.Entries.Sum(e => e.Credit) + a.Ledger.Rest, 0.011 * Math.Abs(a.Change.Value));
        Assert.Equal((12, 4, 4), (a.Features.Count, a.LeaveOneOut.Features.Count, a.Influences.Count));
        Assert.Equal(a.Features.Take(4).Select(f => f.Latent), a.LeaveOneOut.Features.Select(f => f.Latent));
        Assert.Equal(a.Features.Select(f => f.Effect).OrderDescending(), a.Features.Select(f => f.Effect));
        Assert.Equal(a.Reference.Total, a.Doses[0].Value.Total);
        Assert.Equal(a.Tuned.Total, a.Doses[1].Value.Total);
        Assert.Equal(a.Tuned.Total, a.Curves.Points[^1].Keep.Total);
        Assert.Equal(a.Tuned.Parts["kl"], a.Price.Kl);
        Assert.True(a.Price.PerplexityBefore > 1 && a.Price.TextKl > 0);
        Assert.Equal(["dials", "lora", "nothing"], a.Pareto!.Select(p => p.Name));
        Assert.All(a.Words, w => Assert.InRange(w.Value, 1, a.Changed));
        Assert.All(a.Significant, i => Assert.Contains(i, change.Changed));
        Assert.True(seen.Count > 20 && seen[^1].Done <= seen[^1].Passes, $"{seen[^1]}");
        Assert.Equal(seen.Select(p => p.Done).Order(), seen.Select(p => p.Done));
    }

    [Fact]
    public void What_is_read_back_is_what_was_written_in_snake_case()
    {
        string path = Path.GetTempFileName();
        var a = new DialAnalyser(some.Seam, Small).Analyse(Subject(SomeAnalysis.Change()));
        a.Save(path);
        string json = File.ReadAllText(path);
        Assert.All((string[])["\"effect_share\"", "\"keep_random\"", "\"by_shift\"", "\"left_out\"", "\"beyond_null\"", "\"mean_max_cosine\"", "\"nine_tenths_at\"", "\"firing_jaccard\"", "\"rest\""], key => Assert.Contains(key, json, StringComparison.Ordinal));
        DialAnalysis.Load(path).Save(path);
        Assert.Equal(json, File.ReadAllText(path));
        File.Delete(path);
    }

    [Fact]
    public void The_same_subject_and_seed_give_the_same_numbers()
    {
        string Json() => Parsimony.Files.Json.WriteLine(new DialAnalyser(some.Seam, Small).Analyse(Subject(SomeAnalysis.Change())) with { Seconds = 0 });
        Assert.Equal(Json(), Json());
    }

    [Fact]
    public void Dials_at_rest_are_said_to_be_at_rest()
    {
        var a = new DialAnalyser(some.Seam, Small).Analyse(Subject(DialChange.None(40)) with { Nulls = [] });
        Assert.Equal(["All dials are at rest: nothing was changed."], a.Sentences);
        Assert.Equal((0, 0.0, 0.0, 0), (a.Changed, a.Change.Value, a.Ledger.Residual, a.Features.Count));
        Assert.Equal((0, 0), (a.Tested, a.Significant.Count));
    }

    [Fact]
    public void Noise_is_not_taken_for_a_finding()
    {
        // Dials that nobody learnt, smaller than those of the null runs.
        var a = new DialAnalyser(some.Seam, Small).Analyse(Subject(SomeAnalysis.Change(0.02)));
        Assert.Contains(a.Sentences, s => s.StartsWith("Nothing here is beyond the null runs", StringComparison.Ordinal));
        Assert.Empty(a.Significant);
        Assert.All(a.Features, f => Assert.False(f.Significant || f.BeyondNull!.Value));
        var alone = new DialAnalyser(some.Seam, Small).Analyse(Subject(SomeAnalysis.Change(0.02)) with { Nulls = [] });
        Assert.Contains(alone.Sentences, s => s.StartsWith("There was no null run", StringComparison.Ordinal));
    }

    [Fact]
    public void What_was_learnt_is_for_the_better_and_examples_say_who_taught_it()
    {
        var train = SomeAnalysis.Examples(12, seed: 21);
        var objective = new LossObjective(some.Seam, train, "training loss");
        var change = Learnt(objective);
        var a = new DialAnalyser(some.Seam, Small).Analyse(Subject(change) with { Objective = objective, LearntFrom = null, Nulls = [] });
        Assert.True(a.Change.High < 0, a.Sentences[0]);
        Assert.EndsWith("for the better.", a.Sentences[0], StringComparison.Ordinal);
        Assert.True(a.Ledger.Entries.Where(e => e.Credit < 0).Sum(e => -e.Credit) > a.Ledger.Entries.Where(e => e.Credit > 0).Sum(e => e.Credit));
        Assert.True(a.Agreed > 0, $"{a.Agreed} of {a.Tested}");
        var one = a.Influences[0];
        Assert.Equal(one.For.OrderByDescending(p => p.Pull), one.For);
        Assert.All(one.For, p => Assert.True(p.Pull > 0 && p.Share is > 0 and <= 1));
        Assert.All(one.Against, p => Assert.True(p.Pull < 0));
        Assert.True(a.Doses[1].Value.Total < a.Doses[0].Value.Total);
    }

    [Fact]
    public void Rewards_are_analysed_in_the_same_way()
    {
        using var rewards = SomePolicy.LowTokens();
        var change = SomeAnalysis.Change();
        var objective = RolloutSampler.Sample(some.Seam, change, SomeTexts.Tokenizer, SomePolicy.Prompts(4), rewards, new RolloutObjectiveOptions { Continuations = 40, MaxNewTokens = 4 });
        var a = new DialAnalyser(some.Seam, Small).Analyse(Subject(change) with { Objective = objective, LearntFrom = null });
        Assert.Equal(["low_tokens", "kl", "length"], a.Ledger.Entries[0].Parts.Keys);
        Assert.InRange(a.Price.DistinctPairsAfter!.Value, 0.1, 1);
        Assert.InRange(a.Price.LengthBefore!.Value, 3, 4);
        Assert.Equal("nats per continuation", a.Price.KlUnit);
        Assert.InRange(a.Tuned.EffectiveSamples!.Value, 20, 40);
    }

    [Fact]
    public void It_can_be_cancelled_and_leaves_no_tensors()
    {
        using var retrained = TinySae.Random(seed: 8);
        var subject = Subject(SomeAnalysis.Change()) with { Retrained = retrained };
        new DialAnalyser(some.Seam, Small).Analyse(subject);                    // the prefixes are kept from here on
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        new DialAnalyser(some.Seam, Small).Analyse(subject);
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
        using var cancel = new CancellationTokenSource();
        var told = new Told([], p => { if (p.Stage == "ledger") cancel.Cancel(); });
        Assert.Throws<OperationCanceledException>(() => new DialAnalyser(some.Seam, Small).Analyse(subject, told, cancel.Token));
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void Faulty_options_and_dials_of_another_autoencoder_are_refused()
    {
        string message = Assert.Throws<ArgumentException>(() => new DialAnalyser(some.Seam, new AnalysisOptions { Features = 0, LedgerSteps = 8, NullQuantile = 1 })).Message;
        Assert.All((string[])["features is 0", "ledger_steps is 8", "null_quantile is 1"], fault => Assert.Contains(fault, message, StringComparison.Ordinal));
        Assert.Contains("belong together", Assert.Throws<ArgumentException>(() => new DialAnalyser(some.Seam).Analyse(Subject(DialChange.None(3)))).Message, StringComparison.Ordinal);
    }

    /// <summary>Thirty steps down the gradient of the loss.</summary>
    private DialChange Learnt(LossObjective objective)
    {
        var change = DialChange.None(40);
        double targets = objective.Rows.Sum(r => r.Targets);
        for (int step = 0; step < 30; step++)
        {
            using var scope = NewDisposeScope();
            var (scale, shift) = some.Gradient(change, tap => objective.Score(0, [.. Enumerable.Range(0, objective.Examples)], _ => tap).sum() / targets);
            var (c, d) = change.Tensors();
            change = DialChange.Of(c - tensor(scale).to(ScalarType.Float32), d - tensor(shift).to(ScalarType.Float32));
        }
        return change;
    }

    public void Dispose() => some.Dispose();

    private sealed class Told(List<AnalysisProgress> seen, Action<AnalysisProgress>? also = null) : IProgress<AnalysisProgress>
    {
        public void Report(AnalysisProgress value)
        {
            seen.Add(value);
            also?.Invoke(value);
        }
    }
}
