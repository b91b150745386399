using Parsimony.Explorer.Model;
using Parsimony.Tokens;

namespace Parsimony.Explorer;

/// <summary>What is explored: a run folder, and how its model is opened. The explorer reads everything else from the folder's files.</summary>
public sealed record ExplorerSource
{
    /// <summary>The run folder. Those beside it are listed, too.</summary>
    public required string RunFolder { get; init; }

    /// <summary>Reads the tokenizer; called once, at the start. Null: the run has no model yet.</summary>
    public Func<Tokenizer>? OpenTokenizer { get; init; }

    /// <summary>Opens model, SAE and adapters; called once, on the model's thread, when something first needs them. Null: the run has no SAE yet.</summary>
    public Func<Workbench>? OpenWorkbench { get; init; }
}
