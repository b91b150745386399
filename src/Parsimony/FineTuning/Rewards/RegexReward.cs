using System.ComponentModel;
using System.Text.RegularExpressions;
using Parsimony.Training;

namespace Parsimony.FineTuning.Rewards;

/// <summary>A reward for what matches a pattern.</summary>
public sealed record RegexRewardOptions
{
    /// <summary>A .NET regular expression; must be given.</summary>
    [Description(".NET regular expression")]
    public string Pattern { get; init; } = "";

    /// <summary>Whether case does not matter. Default false.</summary>
    [Description("whether case does not matter")]
    public bool IgnoreCase { get; init; }

    /// <summary>What this reward counts for in the sum. Default 1.</summary>
    [Description("what this reward counts for in the sum")]
    public double Weight { get; init; } = 1;

    /// <summary>What one match adds. Default 1.</summary>
    [Description("what one match adds; below 0 is a penalty")]
    public double ScorePerMatch { get; init; } = 1;

    /// <summary>The largest number of matches in a text that counts, 1 or more; null: no limit. Default null.</summary>
    [Description("largest number of matches in a text that counts; none: no limit")]
    public int? Cap { get; init; }

    /// <summary>Whether the score lies on the tokens that match; else it is of the whole text. Default true.</summary>
    [Description("lay the score on the tokens that match, instead of on the text")]
    public bool PerToken { get; init; } = true;

    /// <summary>The longest that one text may take, in seconds, above 0. Default 1.</summary>
    [Description("longest that one text may take, in seconds")]
    public double TimeoutSeconds { get; init; } = 1;

    /// <summary>These options, checked.</summary>
    /// <exception cref="ArgumentException">Names every fault.</exception>
    public RegexRewardOptions Validated()
    {
        var faults = new OptionFaults();
        faults.Check(Pattern.Length > 0, "pattern", "empty", "a regular expression");
        faults.Check(Fault() is null, "pattern", $"'{Pattern}', which .NET refuses: {Fault()}", "a regular expression of .NET");
        faults.Check(double.IsFinite(Weight), "weight", Weight, "a finite number");
        faults.Check(double.IsFinite(ScorePerMatch), "score_per_match", ScorePerMatch, "a finite number");
        faults.Check(Cap is not { } cap || cap >= 1, "cap", Cap, "1 or more, or none");
        faults.Check(TimeoutSeconds is > 0 and <= 3600, "timeout_seconds", TimeoutSeconds, "above 0, at most 3600");
        faults.ThrowIfAny("the options of the regex reward");
        return this;
    }

    private string? Fault()
    {
        try
        {
            _ = new Regex(Pattern);
            return null;
        }
        catch (ArgumentException e)
        {
            return e.Message.TrimEnd('.');
        }
    }
}

/// <summary>R = score_per_match * min(matches, cap). Matches of no characters do not count.</summary>
/// <remarks>.NET's engine without backtracking, whose time is linear in the text, where it knows the pattern; else (lookarounds, back references) the one with
/// backtracking. Either way a text that takes longer than the limit is an error.</remarks>
public sealed class RegexReward : IReward
{
    private readonly Regex regex;
    private readonly RegexRewardOptions options;

    /// <summary>A reward by a pattern.</summary>
    /// <exception cref="ArgumentException">The options have faults.</exception>
    public RegexReward(RegexRewardOptions options, string name = "regex")
    {
        (this.options, Name) = (options.Validated(), name);
        var limit = TimeSpan.FromSeconds(options.TimeoutSeconds);
        var flags = RegexOptions.CultureInvariant | (options.IgnoreCase ? RegexOptions.IgnoreCase : RegexOptions.None);
        try
        {
            regex = new Regex(options.Pattern, flags | RegexOptions.NonBacktracking, limit);
        }
        catch (NotSupportedException)
        {
            regex = new Regex(options.Pattern, flags, limit);
        }
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public IReadOnlyList<RewardScore> Score(IReadOnlyList<RewardText> texts, CancellationToken cancellation = default) => [.. texts.Select(Score)];

    private RewardScore Score(RewardText text)
    {
        try
        {
            var matches = regex.Matches(text.Text).Where(m => m.Length > 0).Select(m => (m.Index, m.Length, 1.0));
            return HitScore.Of(text, matches, options.ScorePerMatch, options.Cap, options.PerToken);
        }
        catch (RegexMatchTimeoutException e)
        {
            throw new InvalidOperationException($"reward '{Name}': the pattern '{options.Pattern}' took longer than {options.TimeoutSeconds} s on the text '{text.Excerpt}'. "
                + "Simplify it (nested quantifiers are slow), or raise timeout_seconds.", e);
        }
    }
}
