using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>A forward pass halted at a hook point: all that <see cref="Transformer.RunFrom"/> needs to go on.</summary>
/// <param name="At">Where the pass stands; its tap has not been called yet.</param>
/// <param name="Activation">The activation there, <c>[batch, seq, width]</c>.</param>
/// <param name="Residual">What the rest of the layer adds to, <c>[batch, seq, d_model]</c>; null at <c>resid_pre</c> and <c>resid_post</c>.</param>
/// <param name="Gated">What the nonlinearity's output will be multiplied by, <c>[batch, seq, d_mlp]</c>; null but at <c>mlp_pre</c> of a gated MLP.</param>
public sealed record HookState(HookPoint At, Tensor Activation, Tensor? Residual, Tensor? Gated = null) : IDisposable
{
    /// <summary>Bytes held by the tensors.</summary>
    public long Bytes => Size(Activation) + (Residual is null ? 0 : Size(Residual)) + (Gated is null ? 0 : Size(Gated));

    /// <summary>The same of one token, by the model's shape.</summary>
    /// <param name="config">The shape.</param>
    /// <param name="at">Where a pass would be halted.</param>
    public static long BytesPerToken(IModelConfig config, HookPoint at) => sizeof(float) * (config.Width(at.Site)
        + (at.Site is HookSite.ResidPre or HookSite.ResidPost ? 0L : config.DModel) + (at.Site is HookSite.MlpPre && config.GatedMlp ? config.DMlp : 0L));

    /// <summary>Takes the tensors out of the dispose scope they were made in; the caller owns them from here on.</summary>
    public HookState Keep()
    {
        Activation.DetachFromDisposeScope();
        Residual?.DetachFromDisposeScope();
        Gated?.DetachFromDisposeScope();
        return this;
    }

    /// <summary>The same out of a pass's own dispose scope.</summary>
    internal HookState MoveOut()
    {
        foreach (var t in (Tensor?[])[Activation, Residual, Gated]) t?.MoveToOuterDisposeScope();
        return this;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Activation.Dispose();
        Residual?.Dispose();
        Gated?.Dispose();
    }

    private static long Size(Tensor t) => t.NumberOfElements * t.ElementSize;
}
