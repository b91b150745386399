using System.ComponentModel;
using Parsimony.Training;

namespace Parsimony.FineTuning.Rewards;

/// <summary>A reward that a program of the user's gives.</summary>
public sealed record ExecutableRewardOptions
{
    /// <summary>The program: a path, or a name that is looked up on the search path; must be given.</summary>
    [Description("program that scores texts, JSON lines in and out")]
    public string Command { get; init; } = "";

    /// <summary>Its arguments, each passed as it is: no shell takes them apart. Default none.</summary>
    [Description("arguments of that program")]
    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>What this reward counts for in the sum. Default 1.</summary>
    [Description("what this reward counts for in the sum")]
    public double Weight { get; init; } = 1;

    /// <summary>The longest that a batch may take, in seconds, above 0. Default 60.</summary>
    [Description("longest that a batch may take, in seconds")]
    public double TimeoutSeconds { get; init; } = 60;

    /// <summary>How often, in all, the program is started anew and given the batch again after it ended or hung, 0 or more. Default 2.</summary>
    [Description("how often, in all, the program is started anew after it ended or hung")]
    public int MaxRestarts { get; init; } = 2;

    /// <summary>These options, checked.</summary>
    /// <exception cref="ArgumentException">Names every fault.</exception>
    public ExecutableRewardOptions Validated()
    {
        var faults = new OptionFaults();
        faults.Check(Command.Length > 0, "command", "empty", "a program");
        faults.Check(double.IsFinite(Weight), "weight", Weight, "a finite number");
        faults.Check(TimeoutSeconds is > 0 and <= 86400, "timeout_seconds", TimeoutSeconds, "above 0, at most 86400");
        faults.Check(MaxRestarts >= 0, "max_restarts", MaxRestarts, "0 or more");
        faults.ThrowIfAny("the options of the executable reward");
        return this;
    }
}
