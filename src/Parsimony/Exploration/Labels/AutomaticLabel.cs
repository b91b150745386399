namespace Parsimony.Exploration.Labels;

/// <summary>A label that no person wrote.</summary>
public sealed record AutomaticLabel
{
    /// <summary>Characters of a text at most; a longer one is cut.</summary>
    public const int LongestText = 1000;

    /// <summary>The latent.</summary>
    public required int Latent { get; init; }

    /// <summary>How it was made.</summary>
    public required LabelMethod Method { get; init; }

    /// <summary>What it says, as plain text: tokens of any text, markup too, stand in it as they are. Empty: the method found nothing to say.</summary>
    public required string Text { get; init; }

    /// <summary>How well it foretells; null: there were too few examples to say, or nothing to score.</summary>
    public required LabelScores? Scores { get; init; }

    /// <summary>Of an explainer the model's name; null of other methods.</summary>
    public string? Model { get; init; }

    /// <summary>When it was made.</summary>
    public required DateTimeOffset Made { get; init; }
}
