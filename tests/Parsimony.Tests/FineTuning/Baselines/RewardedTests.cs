using Parsimony.FineTuning;
using Parsimony.FineTuning.Baselines;
using Parsimony.FineTuning.Policy;
using Parsimony.Models;
using Parsimony.Tests.FineTuning.Policy;
using Parsimony.Tests.FineTuning.Rewards;
using Xunit;

namespace Parsimony.Tests.FineTuning.Baselines;

/// <summary>Every baseline learns from rewards as the dials do.</summary>
public sealed class RewardedTests
{
    public static TheoryData<BaselineMethod, TokenPositions> All => new(
        from method in Enum.GetValues<BaselineMethod>().Except([BaselineMethod.Dials, BaselineMethod.RandomDictionary]) from positions in (TokenPositions[])[TokenPositions.All, TokenPositions.Response] select (method, positions));

    [Theory, MemberData(nameof(All))]
    public void It_begins_as_the_reference_samples_what_it_scores_and_moves(BaselineMethod method, TokenPositions positions)
    {
        using var model = SomePolicy.Model();
        using var rewards = SomePolicy.LowTokens();
        using var adapter = Baseline.Create(new BaselineOptions { Method = method, Budget = 64 }, model, new HookPoint(1, HookSite.MlpOut), positions: positions);
        var lines = new Lines();
        new PolicyTrainer(model, adapter, SomeTexts.Tokenizer, SomePolicy.Options(PolicyAlgorithm.Grpo)).Train(SomePolicy.Prompts(), rewards, null, lines);
        Assert.Equal((0.0, 0.0), (lines.All[0].Kl, lines.All[0].FullKl));
        Assert.All(lines.All, line => Assert.Equal(0, line.FirstRatioError));
        Assert.All(lines.All, line => Assert.InRange(line.SamplingError, 0, 1e-5)); // from kept keys and values, and from whole rows
        Assert.True(lines.All[^1].FullKl > 0);
    }

    private sealed class Lines : IProgress<PolicyProgress>
    {
        public List<PolicyProgress> All { get; } = [];

        public void Report(PolicyProgress value) => All.Add(value);
    }
}
