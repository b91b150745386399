using Parsimony.Autoencoders;
using Parsimony.Models;
using Parsimony.Splicing;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning;

/// <summary>
/// Dials without their SAE: in delta mode a latent at rest adds nothing, so that of the SAE only the k latents that were changed are needed,
/// <c>m' = m + [relu(c z + d) - relu(z)] W_dec</c> over those: two matrices of k d_model numbers.
/// </summary>
public sealed class CompiledDials : IDisposable
{
    private CompiledDials(ISparseAutoencoder sae, FeatureDials dials, int[] latents) => (Sae, Dials, Latents) = (sae, dials, latents);

    /// <summary>The k latents as an SAE of their own.</summary>
    public ISparseAutoencoder Sae { get; }

    /// <summary>Their dials.</summary>
    public FeatureDials Dials { get; }

    /// <summary>Which they were in the whole SAE.</summary>
    public IReadOnlyList<int> Latents { get; }

    /// <summary>Takes the latents whose dials are not exactly at rest out of an SAE.</summary>
    /// <param name="sae">The SAE; not kept. Of an architecture whose latents do not depend on each other: standard or jumprelu.</param>
    /// <param name="dials">Its dials; not kept.</param>
    /// <exception cref="ArgumentException">The numbers of latents differ, every dial is at rest, or the latents compete with each other.</exception>
    public static CompiledDials Of(ISparseAutoencoder sae, FeatureDials dials)
    {
        if (dials.DSae != sae.DSae) throw new ArgumentException($"the dials are for {dials.DSae} latents, the SAE has {sae.DSae}. Use the SAE they were trained on.", nameof(dials));
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var changed = (dials.Gamma.ne(0) | dials.Delta.ne(0)).nonzero().squeeze(-1);             // [k]
        if (changed.size(0) == 0) throw new ArgumentException("every dial is at rest; there is nothing to compile.", nameof(dials));
        Tensor Of(Tensor t) => t.index_select(0, changed);
        var few = FewLatents.Of(sae, changed) ?? throw new ArgumentException(
            $"in an SAE of architecture '{sae.Architecture}' whether a latent fires depends on the others; allowed: standard, jumprelu. Keep the adapter beside the SAE.", nameof(sae));
        return new CompiledDials(few, FeatureDials.Of(dials.At, Of(dials.Scale()), Of(dials.Shift())), [.. changed.cpu().data<long>().ToArray().Select(i => (int)i)]);
    }

    /// <summary>What the whole SAE with its dials does in delta mode.</summary>
    public Tap Tap() => Dials.Splice(Sae, SpliceMode.Delta);

    /// <inheritdoc/>
    public void Dispose()
    {
        Sae.Dispose();
        Dials.Dispose();
    }
}
