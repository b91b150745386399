namespace Parsimony.Exploration.Labels;

/// <summary>All that is said of a latent.</summary>
public sealed record LatentLabels
{
    /// <summary>The latent.</summary>
    public required int Latent { get; init; }

    /// <summary>The label that a person gave it, as it was typed; null: none.</summary>
    public string? Hand { get; init; }

    /// <summary>A person's note; null: none.</summary>
    public string? Note { get; init; }

    /// <summary>Whether a person marked it with a star.</summary>
    public bool Star { get; init; }

    /// <summary>When label, note or star were last changed; null: never.</summary>
    public DateTimeOffset? Changed { get; init; }

    /// <summary>The labels that no person wrote, in the order of <see cref="LabelMethod"/>; those of methods that found nothing are left out.</summary>
    public IReadOnlyList<AutomaticLabel> Automatic { get; init; } = [];

    /// <summary>The one to show where there is room for one: the hand label, else an explainer's, else the automatic one with the best balanced accuracy of detection, one without scores last; null: there is none.</summary>
    public string? Best => Hand ?? Automatic.FirstOrDefault(a => a.Method == LabelMethod.Explainer)?.Text ?? Automatic.MaxBy(a => a.Scores?.Label.Detection.BalancedAccuracy ?? -1)?.Text;
}

/// <summary>Where a text was found.</summary>
/// <param name="Latent">The latent.</param>
/// <param name="Method">Of an automatic label its method; null: in a person's label or note.</param>
/// <param name="Text">The label or note that has it.</param>
public sealed record LabelHit(int Latent, LabelMethod? Method, string Text);
