using System.Security.Cryptography;
using Parsimony.Autoencoders;
using Parsimony.Files;
using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

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

    /// <summary>SHA-256 of an SAE's weights as they are in memory, lower-case hex.</summary>
    public static string Sha256(ISparseAutoencoder sae)
    {
        using var scope = NewDisposeScope();
        using var weights = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var t in sae.Weights.Values)
            foreach (var part in t.view(-1).split(1 << 24)) weights.AppendData(part.cpu().bytes); // a span holds less than 2 GiB
        return Convert.ToHexStringLower(weights.GetHashAndReset());
    }
}
