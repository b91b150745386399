namespace Parsimony.Explorer.Model;

/// <summary>What is done to one latent by hand.</summary>
/// <param name="Scale">c: what its pre-activation is multiplied by; 1 leaves it.</param>
/// <param name="Shift">d: what is added to it then; 0 leaves it.</param>
/// <param name="Clamp">A value it takes on every token, whatever its pre-activation; null: none.</param>
public sealed record LatentEdit(double Scale = 1, double Shift = 0, double? Clamp = null)
{
    /// <summary>Whether it changes nothing.</summary>
    public bool IsIdle => Scale == 1 && Shift == 0 && Clamp is null;
}
