using Parsimony.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>TopK: <c>mean over tokens of Σ (xHat - x)²</c>, each token through its k largest latents, plus <see cref="AuxK"/> for the dead.</summary>
public sealed class TopKStep : ISaeStep
{
    private readonly SaeTrainingOptions options;
    private readonly LearntWeights weights;
    private readonly AuxK auxK;
    private readonly RunningThreshold threshold;

    /// <summary>Starts from an autoencoder, which is copied.</summary>
    /// <param name="start">First weights; stays the caller's. It also says whether b_dec is taken off the input.</param>
    /// <param name="options">k and its schedule, AuxK, Adam's constants, clipping, the decoder's constraint.</param>
    public TopKStep(TopKSae start, SaeTrainingOptions options)
    {
        this.options = ArchitectureDefaults.Resolve(options.Validated()) with { ApplyBDecToInput = start.ApplyBDecToInput };
        (DModel, DSae, weights) = (start.DModel, start.DSae, new(this.options, start.Weights));
        var device = weights["W_dec"].device;
        (auxK, threshold) = (new(options.TopK, DSae, DModel, device), new(options.TopK, device));
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
        var (wEnc, wDec, bEnc, bDec) = (weights["W_enc"], weights["W_dec"], weights["b_enc"], weights["b_dec"]);
        var centred = options.ApplyBDecToInput ? x - bDec : x;
        var positive = SaeGradients.Encode(centred, wEnc, bEnc).relu_();
        var (f, smallest) = TopKSelection.PerToken(positive, Schedules.K(options.TopK, (inputs.Step - 1) * x.shape[0]));
        threshold.Observe(smallest, inputs.Step, x.shape[0]);
        var residual = SaeGradients.Residual(f, wDec, bDec, target);
        var active = SaeGradients.Active(f);
        var fires = SaeGradients.OverTokens(active);
        var auxiliary = auxK.Observe(fires, residual, positive, wDec);

        var dReconstruction = SaeGradients.OfMse(residual);
        var dh = dReconstruction.mm(wDec.t()).mul_(active);
        if (auxiliary is { Dh: var dead }) dh.add_(dead);
        var gradients = SaeGradients.OfAffineMaps(centred, f, dReconstruction, dh, options.ApplyBDecToInput ? wEnc : null);
        if (auxiliary is { DDec: var dDec }) gradients["W_dec"].add_(dDec);
        weights.Update(gradients, inputs);

        var mse = SaeGradients.Mse(residual);
        var extra = auxiliary?.Loss ?? zeros_like(mse);
        return new SaeStepResult(residual, mse + extra, mse, zeros_like(mse), fires, extra, SaeGradients.OverTokens(f)).MoveOut();
    }

    /// <inheritdoc/>
    public void Replace(Tensor latents, Tensor encoderColumns, Tensor decoderRows) => weights.Replace(latents, encoderColumns, decoderRows);

    /// <inheritdoc/>
    public ISparseAutoencoder ToAutoencoder()
    {
        var (wEnc, wDec, bEnc, bDec) = (weights["W_enc"], weights["W_dec"], weights["b_enc"], weights["b_dec"]);
        if (!options.TopK.SaveAsJumprelu) return new TopKSae(wEnc, wDec, bEnc, bDec, options.TopK.K!.Value, options.ApplyBDecToInput);
        using var all = threshold.Of(DSae);
        return new JumpReluSae(wEnc, wDec, bEnc, bDec, all, options.ApplyBDecToInput);
    }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, Tensor> State() => weights.State(auxK.State, threshold.State);

    /// <inheritdoc/>
    public void Restore(IReadOnlyDictionary<string, Tensor> state) => LearntWeights.Restore(State(), state);

    /// <summary>Frees weights, moments and counters.</summary>
    public void Dispose()
    {
        weights.Dispose();
        auxK.Dispose();
        threshold.Dispose();
    }
}
