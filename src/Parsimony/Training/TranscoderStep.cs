using Parsimony.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>
/// A transcoder, from one hook point to another: <c>mean over tokens of Σ (yHat - y)²</c> with <c>yHat = f W_dec + b_dec (+ x W_skip)</c>, f the ReLU of
/// <c>x W_enc + b_enc</c>, sparse by an L1 (<c>+ β Σ f</c>) or, with a k, by TopK and <see cref="AuxK"/>.
/// </summary>
public sealed class TranscoderStep : ISaeStep
{
    private readonly SaeTrainingOptions options;
    private readonly LearntWeights weights;
    private readonly AuxK auxK;

    /// <summary>Starts from a transcoder, which is copied.</summary>
    /// <param name="start">First weights; stays the caller's. Its W_skip says whether there is a skip connection.</param>
    /// <param name="options">k or L1, Adam's constants, clipping, the decoder's constraint.</param>
    public TranscoderStep(Transcoder start, SaeTrainingOptions options)
    {
        this.options = ArchitectureDefaults.Resolve(options.Validated()) with { SkipConnection = start.WSkip is not null };
        (DModel, DSae, DOut, weights) = (start.DModel, start.DSae, start.DOut, new(this.options, start.Weights));
        auxK = new(options.TopK, DSae, start.DOut, weights["W_dec"].device);
    }

    /// <inheritdoc/>
    public int DModel { get; }

    /// <inheritdoc/>
    public int DSae { get; }

    /// <inheritdoc/>
    public int DOut { get; }

    /// <inheritdoc/>
    public SaeStepResult Run(Tensor x, Tensor target, SaeStepInputs inputs)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var (wEnc, wDec, bEnc, bDec) = (weights["W_enc"], weights["W_dec"], weights["b_enc"], weights["b_dec"]);
        long batch = x.shape[0];
        bool hasK = options.TopK.K is not null;
        var positive = SaeGradients.Encode(x, wEnc, bEnc).relu_();
        var f = hasK ? TopKSelection.PerToken(positive, Schedules.K(options.TopK, (inputs.Step - 1) * batch)).F : positive;
        var residual = SaeGradients.Residual(f, wDec, bDec, target);
        if (options.SkipConnection) residual.addmm_(x, weights["W_skip"], 1, 1);
        var (active, sums) = (SaeGradients.Active(f), SaeGradients.OverTokens(f));
        var fires = SaeGradients.OverTokens(active);
        var auxiliary = hasK ? auxK.Observe(fires, residual, positive, wDec) : null;
        var norms = !hasK && options.DecoderConstraint == DecoderConstraint.Free ? DecoderRow.Norms(wDec) : null;

        var dReconstruction = SaeGradients.OfMse(residual);
        var dh = dReconstruction.mm(wDec.t());
        double perToken = hasK ? 0 : inputs.SparsityCoefficient / batch;
        if (norms is not null) dh.add_(norms.view(1, -1), alpha: perToken);
        else if (!hasK) dh.add_(perToken);
        dh.mul_(active);
        if (auxiliary is { Dh: var dead }) dh.add_(dead);
        var gradients = SaeGradients.OfAffineMaps(x, f, dReconstruction, dh, wEncIfCentred: null);
        if (auxiliary is { DDec: var dDec }) gradients["W_dec"].add_(dDec);
        if (norms is not null) gradients["W_dec"].addcmul_(sums.view(-1, 1) / norms, wDec, perToken);
        if (options.SkipConnection) gradients.Add("W_skip", x.t().mm(dReconstruction));
        weights.Update(gradients, inputs);

        var mse = SaeGradients.Mse(residual);
        var sparsity = hasK ? zeros_like(mse) : (norms is null ? sums.sum() : sums.dot(norms.view(-1))).div_(batch);
        var extra = auxiliary?.Loss ?? zeros_like(mse);
        return new SaeStepResult(residual, mse + inputs.SparsityCoefficient * sparsity + extra, mse, sparsity, fires, extra, sums).MoveOut();
    }

    /// <inheritdoc/>
    public void Replace(Tensor latents, Tensor encoderColumns, Tensor decoderRows) => weights.Replace(latents, encoderColumns, decoderRows);

    /// <inheritdoc/>
    public ISparseAutoencoder ToAutoencoder() => new Transcoder(weights["W_enc"], weights["W_dec"], weights["b_enc"], weights["b_dec"],
        options.SkipConnection ? weights["W_skip"] : null, options.TopK.K);

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, Tensor> State() => weights.State(auxK.State);

    /// <inheritdoc/>
    public void Restore(IReadOnlyDictionary<string, Tensor> state) => LearntWeights.Restore(State(), state);

    /// <summary>Frees weights, moments and counters.</summary>
    public void Dispose()
    {
        weights.Dispose();
        auxK.Dispose();
    }
}
