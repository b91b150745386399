using System.CommandLine;
using Parsimony.Cli;
using Parsimony.Files;
using Parsimony.FineTuning.Rewards;
using Xunit;
using static Parsimony.Tests.FineTuning.Rewards.SomeTexts;

namespace Parsimony.Tests.FineTuning.Rewards;

public sealed class RewardOptionsTests
{
    private sealed record Wrapped
    {
        public RewardOptions Reward { get; init; } = new();
    }

    [Fact]
    public void They_are_a_json_file_and_back()
    {
        var options = new RewardOptions
        {
            Lexicon = new() { Path = "mild.txt", Side = LexiconSide.HeldOut, Cap = 3 },
            Executable = new() { Command = "judge", Arguments = ["--fast"] },
            EndOfText = new(),
        };
        string json = Json.Write(options);
        Assert.Equal(json, Json.Write(Json.Parse<RewardOptions>(json, "x")));
        Assert.Contains("\"side\": \"held_out\"", json, StringComparison.Ordinal);
        Assert.Contains("Did you mean 'score_per_hit'", Assert.Throws<InvalidDataException>(
            () => Json.Parse<RewardOptions>("{\"lexicon\": {\"score_per_hits\": 1}}", "x")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void They_are_flags_of_a_command()
    {
        var binder = new OptionBinder<Wrapped>();
        var command = new Command("x");
        binder.AddTo(command);
        var bound = binder.Bind(command.Parse(["--reward-lexicon-path", "mild.txt", "--score-per-hit", "-2", "--target-tokens", "20"]), null).Reward;
        Assert.Equal(("mild.txt", -2.0, 20), (bound.Lexicon!.Path, bound.Lexicon.ScorePerHit, bound.Length!.TargetTokens));
        Assert.Null(bound.Sentiment);
        var error = Assert.Throws<UsageException>(() => binder.Bind(command.Parse(["--score-per-hit", "-2"]), null));
        Assert.Contains("the options of the lexicon reward are wrong: path is empty; allowed: a word list", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_fault_of_every_part_is_named_at_once()
    {
        var message = Assert.Throws<ArgumentException>(() => new RewardOptions
        {
            Lexicon = new() { Cap = 0, HeldOutFraction = 1, Weight = double.NaN },
            Sentiment = new() { Scale = 0 },
            Regex = new() { Pattern = "(", Cap = 0 },
            Length = new() { LongestTokens = 0 },
            EndOfText = new() { CutOffScore = double.NaN },
            Executable = new() { MaxRestarts = -1, TimeoutSeconds = 0 },
        }.Validated()).Message;
        foreach (string part in (string[])["lexicon reward are wrong: path is empty", "cap is 0", "held_out_fraction is 1", "weight is NaN", "scale is 0", "pattern is '('",
            "longest_tokens is 0", "cut_off_score is NaN", "command is empty", "max_restarts is -1", "timeout_seconds is 0"])
            Assert.Contains(part, message, StringComparison.Ordinal);
        Assert.Contains("no reward is given", Assert.Throws<ArgumentException>(() => new RewardOptions().Validated()).Message, StringComparison.Ordinal);
        Assert.Contains("target_tokens is not set", Assert.Throws<ArgumentException>(() => new LengthRewardOptions().Validated()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_given_is_added_up()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("mild.txt"), "drat\n");
        using var sum = new RewardOptions
        {
            Lexicon = new() { Path = folder.File("mild.txt"), Weight = 2 },
            Length = new() { TargetTokens = 2 },
            EndOfText = new() { Weight = 0.5 },
        }.Create();
        Assert.Equal(-2 - 1 - 0.5, sum.Score([Says("drat")])[0].Value);
        Assert.Equal(["lexicon", "length", "end_of_text"], sum.Parts([]).Select(p => p.Name));
        Assert.Throws<FileNotFoundException>(() => new RewardOptions { Lexicon = new() { Path = folder.File("none.txt") } }.Create());
    }
}
