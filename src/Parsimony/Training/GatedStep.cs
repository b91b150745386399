using Parsimony.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>
/// Gated: with <c>u = (x - b_dec) W_enc</c>, gate <c>π = u + b_gate</c> and <c>f = 1[π &gt; 0] ReLU(exp(r_mag) u + b_mag)</c>, the loss is
/// <c>mean over tokens of [ Σ (xHat - x)² + β Σ ReLU(π) + Σ (ReLU(π) W_dec + b_dec - x)² ]</c>. The step between gate and f has no gradient: the gate
/// learns from the L1 and the second reconstruction only.
/// </summary>
/// <remarks>Two conventions differ and are options: whether the second reconstruction teaches W_dec and b_dec too (<see cref="GatedAuxiliary"/>), and
/// whether rows are free and the L1 is weighted by their norms (<see cref="DecoderConstraint.Free"/>).</remarks>
public sealed class GatedStep : ISaeStep
{
    private readonly SaeTrainingOptions options;
    private readonly LearntWeights weights;

    /// <summary>Starts from an autoencoder, which is copied.</summary>
    /// <param name="start">First weights; stays the caller's. It also says whether b_dec is taken off the input.</param>
    /// <param name="options">Conventions, Adam's constants, clipping, the decoder's constraint.</param>
    public GatedStep(GatedSae start, SaeTrainingOptions options)
    {
        this.options = ArchitectureDefaults.Resolve(options.Validated()) with { ApplyBDecToInput = start.ApplyBDecToInput };
        (DModel, DSae, weights) = (start.DModel, start.DSae, new(this.options, start.Weights));
    }

    /// <inheritdoc/>
    public int DModel { get; }

    /// <inheritdoc/>
    public int DSae { get; }

    /// <inheritdoc/>
    public SaeStepResult Run(Tensor x, Tensor target, SaeStepInputs inputs)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var (wEnc, wDec, bDec) = (weights["W_enc"], weights["W_dec"], weights["b_dec"]);
        double perToken = inputs.SparsityCoefficient / x.shape[0];
        bool teachesDecoder = options.GatedAuxiliary == GatedAuxiliary.LearningDecoder;
        var centred = options.ApplyBDecToInput ? x - bDec : x;
        var u = centred.mm(wEnc);
        var scale = weights["r_mag"].exp();
        var gate = (u + weights["b_gate"]).relu_();                                // ReLU(π)
        var open = SaeGradients.Active(gate);
        var f = (u * scale + weights["b_mag"]).relu_().mul_(open);
        var residual = SaeGradients.Residual(f, wDec, bDec, target);
        var auxResidual = SaeGradients.Residual(gate, wDec, bDec, target);
        var (active, gateSums) = (SaeGradients.Active(f), SaeGradients.OverTokens(gate));
        var norms = options.DecoderConstraint == DecoderConstraint.Free ? DecoderRow.Norms(wDec) : null;
        var sparsity = (norms is null ? gateSums.sum() : gateSums.dot(norms.view(-1))).div_(x.shape[0]);

        var (dReconstruction, dAux) = (SaeGradients.OfMse(residual), SaeGradients.OfMse(auxResidual));
        var dMag = dReconstruction.mm(wDec.t()).mul_(active);                      // at exp(r_mag) u + b_mag
        var dGate = dAux.mm(wDec.t());
        if (norms is null) dGate.add_(perToken);
        else dGate.add_(norms.view(1, -1), alpha: perToken);
        dGate.mul_(open);
        var du = (dMag * scale).add_(dGate);
        var gradients = SaeGradients.OfAffineMaps(centred, f, dReconstruction, du, options.ApplyBDecToInput ? wEnc : null);
        gradients.Remove("b_enc");
        gradients.Add("b_gate", SaeGradients.OverTokens(dGate));
        gradients.Add("b_mag", SaeGradients.OverTokens(dMag));
        gradients.Add("r_mag", SaeGradients.OverTokens(dMag.mul_(u)).mul_(scale));
        if (teachesDecoder)
        {
            gradients["W_dec"].addmm_(gate.t(), dAux, 1, 1);
            gradients["b_dec"].add_(SaeGradients.OverTokens(dAux));
        }
        if (norms is not null) gradients["W_dec"].addcmul_(gateSums.view(-1, 1) / norms, wDec, perToken); // ∂|row| = row / |row|
        weights.Update(gradients, inputs);

        var (mse, auxiliary) = (SaeGradients.Mse(residual), SaeGradients.Mse(auxResidual));
        var loss = mse + inputs.SparsityCoefficient * sparsity + auxiliary;
        return new SaeStepResult(residual, loss, mse, sparsity, SaeGradients.OverTokens(active), auxiliary, SaeGradients.OverTokens(f)).MoveOut();
    }

    /// <inheritdoc/>
    public void Replace(Tensor latents, Tensor encoderColumns, Tensor decoderRows) => weights.Replace(latents, encoderColumns, decoderRows);

    /// <inheritdoc/>
    public ISparseAutoencoder ToAutoencoder() => new GatedSae(weights["W_enc"], weights["W_dec"], weights["b_gate"], weights["b_mag"],
        weights["r_mag"], weights["b_dec"], options.ApplyBDecToInput);

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, Tensor> State() => weights.State();

    /// <inheritdoc/>
    public void Restore(IReadOnlyDictionary<string, Tensor> state) => LearntWeights.Restore(State(), state);

    /// <summary>Frees weights and moments.</summary>
    public void Dispose() => weights.Dispose();
}
