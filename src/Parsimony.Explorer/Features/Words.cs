using Parsimony.Exploration;
using Parsimony.FineTuning.Analysis;

namespace Parsimony.Explorer.Features;

/// <summary>What became of a latent under dials, for people.</summary>
public static class Words
{
    /// <summary>Of all its words one sentence, without its end.</summary>
    public static string Of(DialPrediction prediction) => string.Join(", ", prediction.Words.Select(Of));

    /// <summary>Of one.</summary>
    public static string Of(DialWord word) => word switch
    {
        DialWord.Unchanged => "at rest",
        DialWord.Silent => "silent on this text, before and after",
        DialWord.Off => "switched off",
        DialWord.Born => "begins to fire",
        DialWord.AlwaysOn => "always on",
        DialWord.Earlier => "fires earlier",
        DialWord.Later => "fires later",
        DialWord.Quieter => "softer",
        DialWord.Barely => "hardly changed",
        _ => word.ToString().ToLowerInvariant(),
    };

    /// <summary>The same as short as a table wants it.</summary>
    public static string Brief(DialWord word) => word switch
    {
        DialWord.AlwaysOn or DialWord.Barely => Of(word),
        DialWord.Silent => "silent on this text",
        _ => word.ToString().ToLowerInvariant(),
    };
}
