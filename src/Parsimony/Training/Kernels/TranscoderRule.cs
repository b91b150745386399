using Parsimony.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training.Kernels;

/// <summary>A transcoder, with the losses of <see cref="TranscoderStep"/>: another rule's latents, which reconstruct what the linear part leaves over where there is
/// one. That part is dense and small, and libtorch's.</summary>
internal sealed class TranscoderRule : ISparseRule
{
    private static readonly string[] SkipNames = ["W_skip", "W_skip.exp_avg", "W_skip.exp_avg_sq"];
    private readonly ISparseRule latents;
    private readonly Adam? skip; // of W_skip, [d_model, d_model]
    private readonly int? k;
    private Tensor? gradient;

    /// <param name="start">First weights; stays the caller's.</param>
    /// <param name="options">Resolved options.</param>
    /// <param name="latents">The rule of its latents; becomes this one's.</param>
    public TranscoderRule(Transcoder start, SaeTrainingOptions options, ISparseRule latents)
    {
        (this.latents, k) = (latents, options.TopK.K);
        if (start.WSkip is { } first) skip = new Adam(first.detach().clone().DetachFromDisposeScope(), options);
    }

    /// <inheritdoc/>
    public IReadOnlyList<LatentParameter> Parameters => latents.Parameters;

    /// <inheritdoc/>
    public EntryPlanes Planes => latents.Planes;

    /// <inheritdoc/>
    public IReadOnlyList<Reconstruction> Reconstructions => latents.Reconstructions;

    /// <inheritdoc/>
    public bool WeighsByNorms => latents.WeighsByNorms;

    /// <inheritdoc/>
    public IEnumerable<(string Name, Tensor Tensor)> State =>
        skip is null ? latents.State : [.. latents.State, .. SkipNames.Zip([skip.Parameter, skip.Mean, skip.MeanSquare])];

    /// <inheritdoc/>
    public Tensor OfLatents(Tensor x, Tensor target) => skip is null ? target : target - x.mm(skip.Parameter);

    /// <inheritdoc/>
    public void Find(SparseBatch batch) => latents.Find(batch);

    /// <inheritdoc/>
    public LatentGradients Gate(ActiveEntries active, int latent, float rowNorm) => latents.Gate(active, latent, rowNorm);

    /// <inheritdoc/>
    public ExtraRows? Extra(SparseBatch batch, ISparsePasses passes)
    {
        if (skip is not null) gradient = batch.X.t().mm(SaeGradients.OfMse(passes.Residual()));
        return latents.Extra(batch, passes);
    }

    /// <inheritdoc/>
    public double RestSquares => gradient is null ? 0 : gradient.square().sum(ScalarType.Float64).item<double>();

    /// <inheritdoc/>
    public void Finish(SaeStepInputs inputs, double factor)
    {
        latents.Finish(inputs, factor);
        skip?.Update(gradient!.mul_(factor), inputs.LearningRate, inputs.Step);
        gradient = null;
    }

    /// <inheritdoc/>
    public (double Sparsity, double? Auxiliary) Terms(SparseMeasures measures) => latents.Terms(measures);

    /// <inheritdoc/>
    public void Replaced(Tensor replaced) => latents.Replaced(replaced);

    /// <inheritdoc/>
    public ISparseAutoencoder ToAutoencoder(Tensor wEnc, Tensor wDec, Tensor bDec) =>
        new Transcoder(wEnc, wDec, Parameters[0].Learned.Parameter, bDec, skip?.Parameter, k);

    public void Dispose()
    {
        latents.Dispose();
        skip?.Parameter.Dispose();
        skip?.Dispose();
    }
}
