using System.Text.RegularExpressions;

namespace Parsimony.Files.Hub;

/// <summary>What a repository of the hub holds.</summary>
public enum HubKind
{
    /// <summary>A model.</summary>
    Model,
    /// <summary>A data set.</summary>
    Dataset,
}

/// <summary>A repository of the Hugging Face hub at a revision.</summary>
/// <param name="Kind">What it holds.</param>
/// <param name="Id"><c>owner/name</c>; a few old ones have no owner.</param>
/// <param name="Revision">A branch, a tag or a commit. Default <c>main</c>.</param>
public sealed partial record HubName(HubKind Kind, string Id, string Revision = HubName.Main)
{
    /// <summary>The revision that is meant where none is named.</summary>
    public const string Main = "main";

    /// <summary>Reads <c>owner/name</c> or <c>owner/name@revision</c>; null: the text is no such name.</summary>
    public static HubName? ParseOrNull(string text, HubKind kind) =>
        Form().Match(text) is { Success: true } m && !text.Contains("..", StringComparison.Ordinal) && !text.Contains("--", StringComparison.Ordinal)
            ? new(kind, m.Groups["id"].Value, m.Groups["revision"].Success ? m.Groups["revision"].Value : Main) : null;

    /// <summary>Its folder in the cache: <c>models--owner--name</c>.</summary>
    public string Folder => $"{(Kind == HubKind.Model ? "models" : "datasets")}--{Id.Replace("/", "--", StringComparison.Ordinal)}";

    /// <summary>The command that fetches it.</summary>
    public string PullCommand => $"parsimony pull {Id}{(Revision == Main ? "" : $" --revision {Revision}")}{(Kind == HubKind.Dataset ? " --dataset" : "")}";

    /// <summary>As it is written: <c>owner/name</c>, with <c>@revision</c> where that is not main.</summary>
    public override string ToString() => Revision == Main ? Id : $"{Id}@{Revision}";

    [GeneratedRegex(@"^(?<id>(?:[A-Za-z0-9][\w.-]*/)?[A-Za-z0-9][\w.-]*)(?:@(?<revision>[\w][\w./-]*))?$")]
    private static partial Regex Form();
}
