using Parsimony.Autoencoders;
using static TorchSharp.torch;

namespace Parsimony.Training.Kernels;

/// <summary>ReLU and L1: the mean over tokens of <c>β Σ f</c>, or of <c>β Σ f |row|</c> where rows are free.</summary>
internal sealed unsafe class ReluRule : ISparseRule
{
    private readonly LatentParameter bEnc;
    private readonly bool applyBDecToInput;
    private float l1; // of one value: coefficient by batch

    /// <param name="start">First weights; stays the caller's.</param>
    /// <param name="applyBDecToInput">Whether the encoder takes b_dec off its input.</param>
    /// <param name="options">Resolved options.</param>
    public ReluRule(ISparseAutoencoder start, bool applyBDecToInput, SaeTrainingOptions options)
    {
        (bEnc, this.applyBDecToInput) = (new("b_enc", start.Weights["b_enc"]), applyBDecToInput);
        WeighsByNorms = options.DecoderConstraint == DecoderConstraint.Free;
        Reconstructions = [new(0, start.DSae)];
    }

    /// <inheritdoc/>
    public IReadOnlyList<LatentParameter> Parameters => [bEnc];

    /// <inheritdoc/>
    public IReadOnlyList<Reconstruction> Reconstructions { get; }

    /// <inheritdoc/>
    public bool WeighsByNorms { get; }

    /// <inheritdoc/>
    public void Find(SparseBatch batch)
    {
        l1 = (float)(batch.Inputs.SparsityCoefficient / batch.Tokens);
        batch.Encoder.FindActive(batch.X, 0, batch.Active.DSae, new(bEnc.Values, bEnc.Values, batch.NoFloors.Pointer));
    }

    /// <inheritdoc/>
    /// <remarks>The ReLU's gate needs no work: entries are the open ones.</remarks>
    public LatentGradients Gate(ActiveEntries active, int latent, float rowNorm)
    {
        float* f = active.Values + active.Offsets[latent], df = active.Gradients + active.Offsets[latent];
        float sum = 0, along = 0, gradients = 0, perValue = l1 * rowNorm;
        for (int i = 0; i < active.Counts[latent]; i++)
        {
            sum += f[i];
            along += f[i] * df[i];
            df[i] += perValue;
            gradients += df[i];
        }
        bEnc.Gradients[latent] = gradients;
        return new(gradients, along, active.Counts[latent], sum, sum * rowNorm, WeighsByNorms ? l1 * sum / rowNorm : 0); // ∂|row| = row / |row|
    }

    /// <inheritdoc/>
    public (double Sparsity, double? Auxiliary) Terms(SparseMeasures measures) => (measures.Sparsity, null);

    /// <inheritdoc/>
    public ISparseAutoencoder ToAutoencoder(Tensor wEnc, Tensor wDec, Tensor bDec) => new StandardSae(wEnc, wDec, bEnc.Learned.Parameter, bDec, applyBDecToInput);

    public void Dispose() => bEnc.Dispose();
}
