using System.Globalization;
using Parsimony.Autoencoders;
using Parsimony.Models;
using Parsimony.Splicing;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Baselines;

/// <summary>One latent held at a value (<see cref="Taps.Clamp"/>), measured like what is learnt. It has no numbers to learn.</summary>
/// <param name="at">The hook point of the SAE.</param>
/// <param name="sae">Not owned.</param>
/// <param name="latent">Which.</param>
/// <param name="value">What it is held at.</param>
/// <param name="onlyWhereItFires">Whether only at tokens on which it fires.</param>
public sealed class ClampAdapter(HookPoint at, ISparseAutoencoder sae, int latent, double value, bool onlyWhereItFires = false) : IAdapter
{
    private readonly Tap clamp = Taps.Clamp(at, sae, latent, value, onlyWhereItFires);

    /// <inheritdoc/>
    public string Method => "clamp";

    /// <inheritdoc/>
    public IReadOnlyList<HookPoint> Hooks => [at];

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, Tensor> Parameters { get; } = new Dictionary<string, Tensor>();

    /// <inheritdoc/>
    public long TrainableParameters => 0;

    /// <inheritdoc/>
    public Tap Tap(Tensor? where = null) => clamp;

    /// <inheritdoc/>
    public Tap? Rest() => null;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Identity => new Dictionary<string, string> { ["latent"] = latent.ToString(CultureInfo.InvariantCulture), ["value"] = value.ToString(CultureInfo.InvariantCulture) };

    /// <inheritdoc/>
    public void Dispose() { }
}
