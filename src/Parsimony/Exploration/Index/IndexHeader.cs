using System.Text.Json.Serialization;
using Parsimony.Models;

namespace Parsimony.Exploration.Index;

/// <summary>From what an index is made, and of what: kept as JSON at the beginning of its file.</summary>
public sealed record IndexHeader
{
    /// <summary>The layout that this program writes and reads.</summary>
    public const int CurrentVersion = 1;

    /// <summary>The layout's version.</summary>
    public int Version { get; init; } = CurrentVersion;

    /// <summary>Name of the model, for people.</summary>
    public required string ModelName { get; init; }

    /// <summary>SHA-256 of the model's weights; null when it was made in memory.</summary>
    public required string? ModelSha256 { get; init; }

    /// <summary>How the model's matrices were kept.</summary>
    public WeightStorage ModelWeights { get; init; }

    /// <summary>SHA-256 of the SAE's weights; null when it was made in memory.</summary>
    public required string? SaeSha256 { get; init; }

    /// <summary>SHA-256 of tokenizer.json; null when unknown.</summary>
    public required string? TokenizerSha256 { get; init; }

    /// <summary>Where the SAE sits.</summary>
    public required HookPoint Hook { get; init; }

    /// <summary>The SAE's architecture, in SAELens' words.</summary>
    public required string Architecture { get; init; }

    /// <summary>Whether a token's latents are chosen together (TopK): what dials do then depends on the other latents, and is only estimated.</summary>
    public required bool IsJoint { get; init; }

    /// <summary>Number of latents.</summary>
    public required int DSae { get; init; }

    /// <summary>Rows of the model's vocabulary.</summary>
    public required int DVocab { get; init; }

    /// <summary>Name of the text, for people; null when unknown.</summary>
    public required string? Text { get; init; }

    /// <summary>SHA-256 over all token ids as little-endian int32, context after context.</summary>
    public required string TokensSha256 { get; init; }

    /// <summary>Contexts of the text.</summary>
    public required int Contexts { get; init; }

    /// <summary>Tokens of a context.</summary>
    public required int SequenceLength { get; init; }

    /// <summary>What was kept.</summary>
    public required FeatureIndexOptions Options { get; init; }

    /// <summary>Firings of a latent that co-activation is computed from at most, see <see cref="FeatureCard.Coactive"/>.</summary>
    public required int CoactivationFirings { get; init; }

    /// <summary>The parts of the file, in order.</summary>
    public IReadOnlyList<IndexSection> Sections { get; init; } = [];

    /// <summary>Bytes of the whole file.</summary>
    public long Bytes { get; init; }

    /// <summary>Tokens looked through.</summary>
    [JsonIgnore]
    public long Tokens => (long)Contexts * SequenceLength;
}

/// <summary>A part of an index's file.</summary>
/// <param name="Name">What it holds.</param>
/// <param name="Offset">Where it begins in the file, in bytes; a multiple of 64.</param>
/// <param name="Bytes">Its length.</param>
public sealed record IndexSection(string Name, long Offset, long Bytes);

/// <summary>What an index is made of, besides tensors: names for people, and hashes by which another model's or SAE's is refused.</summary>
/// <param name="ModelName">Name of the model.</param>
/// <param name="SaeSha256">SHA-256 of the SAE's weights; null: made in memory.</param>
/// <param name="TokenizerSha256">SHA-256 of tokenizer.json; null: unknown.</param>
/// <param name="Text">Name of the text; null: unknown.</param>
public sealed record IndexSource(string ModelName, string? SaeSha256 = null, string? TokenizerSha256 = null, string? Text = null);
