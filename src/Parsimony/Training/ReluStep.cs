using Parsimony.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>
/// ReLU and L1 with everything that peers do otherwise than the article: free decoder rows with the L1 weighted by their norms (SAELens,
/// <c>mean over tokens of [ Σ (xHat - x)² + β Σ f |row| ]</c>), gradient clipping, projection before the step, b_dec not taken off the input.
/// </summary>
/// <remarks><see cref="DenseStep"/> is the faster one for the article's own conventions; there both do the same.</remarks>
public sealed class ReluStep : ISaeStep
{
    private readonly SaeTrainingOptions options;
    private readonly LearntWeights weights;

    /// <summary>Starts from an autoencoder, which is copied.</summary>
    /// <param name="start">First weights; stays the caller's. It also says whether b_dec is taken off the input.</param>
    /// <param name="options">Adam's constants, clipping, the decoder's constraint.</param>
    public ReluStep(StandardSae start, SaeTrainingOptions options)
    {
        this.options = ArchitectureDefaults.Resolve(options.Validated()) with { ApplyBDecToInput = start.ApplyBDecToInput };
        (DModel, DSae, weights) = (start.DModel, start.DSae, new(this.options, start.Weights));
    }

    /// <inheritdoc/>
    public int DModel { get; }

    /// <inheritdoc/>
    public int DSae { get; }

    private bool WeightedByNorms => options.DecoderConstraint == DecoderConstraint.Free;

    /// <inheritdoc/>
    public SaeStepResult Run(Tensor x, Tensor target, SaeStepInputs inputs)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var (wEnc, wDec, bEnc, bDec) = (weights["W_enc"], weights["W_dec"], weights["b_enc"], weights["b_dec"]);
        long batch = x.shape[0];
        double perToken = inputs.SparsityCoefficient / batch;
        var centred = options.ApplyBDecToInput ? x - bDec : x;
        var f = SaeGradients.Encode(centred, wEnc, bEnc).relu_();
        var residual = SaeGradients.Residual(f, wDec, bDec, target);
        var (active, sums) = (SaeGradients.Active(f), SaeGradients.OverTokens(f));
        var norms = WeightedByNorms ? DecoderRow.Norms(wDec) : null;               // [d_sae, 1]
        var sparsity = (norms is null ? sums.sum() : sums.dot(norms.view(-1))).div_(batch);

        var dReconstruction = SaeGradients.OfMse(residual);
        var df = dReconstruction.mm(wDec.t());
        if (norms is null) df.add_(perToken);
        else df.add_(norms.view(1, -1), alpha: perToken);
        var gradients = SaeGradients.OfAffineMaps(centred, f, dReconstruction, df.mul_(active), options.ApplyBDecToInput ? wEnc : null);
        if (norms is not null) gradients["W_dec"].addcmul_(sums.view(-1, 1) / norms, wDec, perToken); // ∂|row| = row / |row|
        weights.Update(gradients, inputs);

        var mse = SaeGradients.Mse(residual);
        return new SaeStepResult(residual, mse + inputs.SparsityCoefficient * sparsity, mse, sparsity, SaeGradients.OverTokens(active), Sums: sums).MoveOut();
    }

    /// <inheritdoc/>
    public void Replace(Tensor latents, Tensor encoderColumns, Tensor decoderRows) => weights.Replace(latents, encoderColumns, decoderRows);

    /// <inheritdoc/>
    public ISparseAutoencoder ToAutoencoder() =>
        new StandardSae(weights["W_enc"], weights["W_dec"], weights["b_enc"], weights["b_dec"], options.ApplyBDecToInput);

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, Tensor> State() => weights.State();

    /// <inheritdoc/>
    public void Restore(IReadOnlyDictionary<string, Tensor> state) => LearntWeights.Restore(State(), state);

    /// <summary>Frees weights and moments.</summary>
    public void Dispose() => weights.Dispose();
}
