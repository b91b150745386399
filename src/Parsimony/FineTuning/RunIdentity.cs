using System.Security.Cryptography;
using Parsimony.Files;
using Parsimony.Models;

namespace Parsimony.FineTuning;

/// <summary>What a checkpoint must have been made with for a run to go on from it exactly.</summary>
internal static class RunIdentity
{
    /// <summary>The facts by name.</summary>
    /// <param name="model">The model.</param>
    /// <param name="adapter">What is learnt.</param>
    /// <param name="options">The options, without those that change no step.</param>
    /// <param name="examples">What is learnt from, hashed.</param>
    public static Dictionary<string, string> Of<T>(Transformer model, IAdapter adapter, T options, IncrementalHash examples) => new(adapter.Identity)
    {
        ["options"] = Json.WriteLine(options),
        ["method"] = adapter.Method,
        ["hook"] = string.Join(' ', adapter.Hooks),
        ["model"] = model.Sha256 ?? "in memory",
        ["examples"] = Convert.ToHexStringLower(examples.GetHashAndReset()),
    };
}
