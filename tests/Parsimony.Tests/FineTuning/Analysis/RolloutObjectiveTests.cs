using Parsimony.FineTuning.Analysis;
using Parsimony.FineTuning.Rewards;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tests.FineTuning.Policy;
using Parsimony.Tests.FineTuning.Rewards;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Analysis;

/// <summary>The weighted rewards on a model small enough that the truth is known: after a single token, the expected reward is a sum over the vocabulary.</summary>
public sealed class RolloutObjectiveTests : IDisposable
{
    private readonly SomeAnalysis some = new(vocabulary: 265);
    private readonly WeightedRewards rewards = SomePolicy.LowTokens();
    private readonly DialChange change = SomeAnalysis.Change(2);

    private RolloutObjective Sample(int continuations, int tokens, int prompts = 3, double beta = 0.1) => RolloutSampler.Sample(
        some.Seam, change, SomeTexts.Tokenizer, SomePolicy.Prompts(prompts), rewards,
        new RolloutObjectiveOptions { Continuations = continuations, MaxNewTokens = tokens, KlCoefficient = beta, Seed = 2 });

    private ObjectiveValue At(RolloutObjective objective, double alpha) => objective.Measure(some.Seam, change.Along(alpha), 32, default);

    [Fact]
    public void At_the_reference_it_is_the_mean_over_the_references_samples_within_their_error()
    {
        var objective = Sample(400, 5);
        double[] own = [.. objective.Rows.Take(200).Select(r => r.Tokens[r.FirstTarget..].Average(id => id < 130 ? 1.0 : 0))];
        double error = Math.Sqrt(own.Sum(r => Math.Pow(r - own.Average(), 2)) / 199 / 200);
        var value = At(objective, 0);
        Assert.Equal(own.Average(), value.Parts["low_tokens"], 3 * error);
        Assert.Equal(0, value.Parts["kl"], 1e-9);
        Assert.InRange(value.EffectiveSamples!.Value, 200, 400);                 // as many as the reference's at least
        Assert.InRange(value.Parts["length"], 4.5, 5);
        Assert.Equal((200, 400), (objective.FromReference, objective.Examples));
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(0.5)]
    [InlineData(1.0)]
    public void Anywhere_between_it_is_the_true_expectation_within_its_error(double alpha)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        double[] p = Probabilities(alpha), p0 = Probabilities(0), p1 = Probabilities(1);
        bool[] rises = [.. p0.Zip(p1, (then, now) => now > then)];               // rewarded are the tokens that the dials make likelier
        var sampled = Sample(2000, 1, prompts: 1).Rows;
        var objective = new RolloutObjective(some.Seam, change, sampled, 1000, [new("risers", 1, [.. sampled.Select(r => rises[r.Tokens[^1]] ? 1.0 : 0)])], new int[2000], 0);
        var value = At(objective, alpha);
        double Share(double[] of) => of.Where((_, id) => rises[id]).Sum();
        double truth = Share(p), kl = p.Zip(p0, (a, b) => a * Math.Log(a / b)).Sum();
        Assert.Equal(truth, value.Parts["risers"], 4 * Math.Sqrt(truth * (1 - truth) / value.EffectiveSamples!.Value));
        Assert.Equal(kl, value.Parts["kl"], 0.2 * kl + 0.003);
        Assert.True(Share(p1) > Share(p0) + 0.15, $"the dials must do something: {Share(p0)} {truth} {Share(p1)}");

        double[] Probabilities(double dose)
        {
            var tokens = tensor(SomePolicy.Prompts(1)[0].Tokens.Select(id => (long)id).ToArray()).unsqueeze(0);
            return some.Seam.Model.Forward(tokens, some.Seam.With(change.Along(dose))([]), lastOnly: true)[0, 0].to(ScalarType.Float64).softmax(-1).Doubles();
        }
    }

    [Fact]
    public void Its_gradient_is_that_of_finite_differences()
    {
        var objective = Sample(40, 4);
        var at = change.Along(0.4);
        using var scope = NewDisposeScope();
        using var each = ExampleGradients.At(some.Seam, objective, at, 16, [0, 1, 2], default);
        var (gamma, shift) = each.Total();
        (double[] g, double[] d) = (gamma.sum([0L]).Doubles(), shift.sum([0L]).Doubles());
        const double step = 5e-3;
        foreach (int latent in (int[])[10, 17, 25, 33, 39])
        {
            var (scale, moved) = at.Tensors();
            Assert.Equal(Slope(i => scale[latent] = at.Scale(latent) + i * step), g[latent], 0.02 * Math.Abs(g[latent]) + 2e-4);
            scale[latent] = at.Scale(latent);
            Assert.Equal(Slope(i => moved[latent] = at.Shift(latent) + i * step), d[latent], 0.02 * Math.Abs(d[latent]) + 2e-4);

            double Slope(Action<int> turn)
            {
                double Value(int side)
                {
                    turn(side);
                    return objective.Measure(some.Seam, DialChange.Of(scale, moved), 40, default).Total;
                }
                return (Value(1) - Value(-1)) / (2 * step);
            }
        }
        Assert.Equal((g.Sum(), d.Sum()), Parts(each, objective), (a, b) => Math.Abs(a.Item1 - b.Item1) + Math.Abs(a.Item2 - b.Item2) < 1e-9);
    }

    private static (double, double) Parts(ExampleGradients each, RolloutObjective objective)
    {
        var parts = objective.Parts.Select((p, i) => (p.Weight, Of: each.Of(i))).ToList();
        return (parts.Sum(p => p.Weight * p.Of.Gamma.sum().item<double>()), parts.Sum(p => p.Weight * p.Of.Shift.sum().item<double>()));
    }

    [Fact]
    public void The_ledger_splits_the_reward_and_the_kl_and_sums_to_both()
    {
        var objective = Sample(60, 4);
        var ledger = PathAttribution.Of(some.Seam, change, objective, tolerance: 0.005);
        Assert.Equal(["low_tokens", "kl", "length"], ledger.Parts.Select(p => p.Name));
        Assert.Equal([1, -0.1, 0], ledger.Parts.Select(p => p.Weight));
        Assert.Equal(ledger.Change, ledger.Totals.Sum(), 0.01 * Math.Abs(ledger.Change));
        Assert.All(ledger.Parts, p => Assert.Equal(p.Change, p.Shares.Sum(), 0.02 * Math.Abs(p.Change) + 1e-4));
        Assert.Equal(ledger.Change, ledger.Parts.Sum(p => p.Weight * p.Change), 1e-9);
    }

    [Fact]
    public void Continuations_of_one_prompt_are_one_group_and_both_halves_are_needed()
    {
        var objective = Sample(12, 2);
        Assert.Equal([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2], objective.Groups);
        Assert.Equal(3, FeatureStatistics.Measure(some.Seam, change, objective).Groups);
        Assert.Contains("one or more", Assert.Throws<ArgumentException>(() => new RolloutObjective(
            some.Seam, change, objective.Rows, 12, [new("r", 1, new double[12])], objective.Groups, 0)).Message, StringComparison.Ordinal);
        Assert.Contains("continuations is 1", Assert.Throws<ArgumentException>(() => new RolloutObjectiveOptions { Continuations = 1 }.Validated()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void In_replace_mode_the_reference_is_the_fused_model()
    {
        using var replaced = new SomeAnalysis(SpliceMode.Replace, vocabulary: 265);
        var objective = RolloutSampler.Sample(replaced.Seam, change, SomeTexts.Tokenizer, SomePolicy.Prompts(2), rewards,
            new RolloutObjectiveOptions { Continuations = 16, MaxNewTokens = 3 });
        Assert.Equal(0, objective.Measure(replaced.Seam, DialChange.None(40), 8, default).Parts["kl"], 1e-6);
    }

    public void Dispose()
    {
        rewards.Dispose();
        some.Dispose();
    }
}
