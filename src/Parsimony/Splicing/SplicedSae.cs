using Parsimony.Autoencoders;
using Parsimony.Models;

namespace Parsimony.Splicing;

/// <summary>An SAE and where it is spliced into a model.</summary>
/// <param name="At">The hook point.</param>
/// <param name="Sae">As wide as the activation there; not owned.</param>
public sealed record SplicedSae(HookPoint At, ISparseAutoencoder Sae);
