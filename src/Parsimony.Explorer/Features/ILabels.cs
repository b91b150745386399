namespace Parsimony.Explorer.Features;

/// <summary>What latents are called, by hand or by rule. Texts are as they were given, markup too: who shows them escapes them. Thread-safe.</summary>
public interface ILabels
{
    /// <summary>The best label of each of some latents; null: it has none.</summary>
    /// <param name="latents">Indices.</param>
    IReadOnlyList<string?> Of(IReadOnlyList<int> latents);

    /// <summary>The latents with a text in one of their labels, in upper or lower case.</summary>
    IReadOnlySet<int> Containing(string text);

    /// <summary>What was noted about a latent; null: nothing.</summary>
    string? Note(int latent);
}

/// <summary>A run in which nothing was labelled.</summary>
public sealed class NoLabels : ILabels
{
    /// <inheritdoc/>
    public IReadOnlyList<string?> Of(IReadOnlyList<int> latents) => new string?[latents.Count];

    /// <inheritdoc/>
    public IReadOnlySet<int> Containing(string text) => new HashSet<int>();

    /// <inheritdoc/>
    public string? Note(int latent) => null;
}
