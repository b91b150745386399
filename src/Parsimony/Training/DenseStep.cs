using Parsimony.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>
/// One step of the article's SAE with every product dense: the loss <c>mean over tokens of [ Σ (xHat - x)² + β Σ f ]</c>, its gradients
/// derived by hand, (projection,) Adam, renormalised decoder rows.
/// </summary>
/// <remarks>
/// Three things make it cheaper than autograd: the gradient of <c>x - b_dec</c>, a full product, is needed only as a sum over tokens
/// (<c>W_enc · ∂b_enc</c>); the two weight gradients share one buffer, each used up by Adam before the next is made; and the latents'
/// buffer turns into the ReLU's mask once nobody needs the latents.
/// </remarks>
public sealed class DenseStep : ISaeStep
{
    private readonly SaeTrainingOptions options;
    private readonly LearntWeights weights;
    private readonly Tensor gradient; // [d_sae * d_model], of W_dec first, of W_enc then
    private Tensor f, df, ones;       // [batch, d_sae], [batch, d_sae], [batch]

    /// <summary>Starts from an autoencoder, which is copied.</summary>
    /// <param name="start">First weights; stays the caller's.</param>
    /// <param name="options">Adam's constants and the decoder's constraint.</param>
    public DenseStep(StandardSae start, SaeTrainingOptions options)
    {
        this.options = options.Validated();
        (DModel, DSae, weights) = (start.DModel, start.DSae, new(this.options, start.Weights));
        gradient = Kept(empty((long)DSae * DModel, device: weights["W_enc"].device));
        (f, df, ones) = Buffers(0);
    }

    /// <inheritdoc/>
    public int DModel { get; }

    /// <inheritdoc/>
    public int DSae { get; }

    /// <inheritdoc/>
    public SaeStepResult Run(Tensor x, Tensor target, SaeStepInputs inputs)
    {
        var (step, learningRate, l1Coefficient) = inputs;
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var (wEnc, wDec, bEnc, bDec) = (weights["W_enc"], weights["W_dec"], weights["b_enc"], weights["b_dec"]);
        long batch = x.shape[0];
        float perToken = 2f / batch;
        if (f.shape[0] != batch) Resize(batch);

        var xCentred = x - bDec;                                               // [batch, d_model]
        f.copy_(bEnc.expand(f.shape)).addmm_(xCentred, wEnc).relu_();      // [batch, d_sae]
        var residual = xCentred.addmm(f, wDec, -1, 1);                         // xHat - x, [batch, d_model]
        var mse = residual.norm().pow_(2).div_(batch);
        var sums = SaeGradients.OverTokens(f);
        var l1 = sums.sum().div_(batch);

        df.fill_(l1Coefficient / batch).addmm_(residual, wDec.t(), 1, perToken); // ∂f before the ReLU's mask
        var dDec = gradient.view(DSae, DModel);
        dDec.addmm_(f.t(), residual, 0, perToken);
        var active = f.sign_();                                                    // f is used up: 1 where it was above 0
        var fires = active.t().mv(ones);
        df.mul_(active);
        var dBEnc = df.t().mv(ones);
        var dBDec = residual.t().mv(ones).mul_(perToken).sub_(wEnc.mv(dBEnc));

        if (options.DecoderConstraint == DecoderConstraint.ProjectAndRenormalise) DecoderRow.ProjectOut(dDec, wDec);
        weights.AdamOf("W_dec").Update(dDec, learningRate, step);
        DecoderRow.Renormalise(wDec);
        var dEnc = gradient.view(DModel, DSae).addmm_(xCentred.t(), df, 0, 1);
        weights.AdamOf("W_enc").Update(dEnc, learningRate, step);
        weights.AdamOf("b_enc").Update(dBEnc, learningRate, step);
        weights.AdamOf("b_dec").Update(dBDec, learningRate, step);

        var loss = mse + l1Coefficient * l1;
        return new SaeStepResult(residual, loss, mse, l1, fires, Sums: sums).MoveOut();
    }

    /// <inheritdoc/>
    public void Replace(Tensor latents, Tensor encoderColumns, Tensor decoderRows) => weights.Replace(latents, encoderColumns, decoderRows);

    /// <inheritdoc/>
    public ISparseAutoencoder ToAutoencoder() => new StandardSae(weights["W_enc"], weights["W_dec"], weights["b_enc"], weights["b_dec"]);

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, Tensor> State() => weights.State();

    /// <inheritdoc/>
    public void Restore(IReadOnlyDictionary<string, Tensor> state) => LearntWeights.Restore(State(), state);

    /// <summary>Frees weights, moments and buffers.</summary>
    public void Dispose()
    {
        foreach (var buffer in (Tensor[])[gradient, f, df, ones]) buffer.Dispose();
        weights.Dispose();
    }

    private void Resize(long batch)
    {
        foreach (var buffer in (Tensor[])[f, df, ones]) buffer.Dispose();
        (f, df, ones) = Buffers(batch);
    }

    private (Tensor F, Tensor Df, Tensor Ones) Buffers(long batch) =>
        (Kept(empty(batch, DSae, device: gradient.device)), Kept(empty(batch, DSae, device: gradient.device)),
            Kept(torch.ones(batch, device: gradient.device)));

    private static Tensor Kept(Tensor t) => t.DetachFromDisposeScope();
}
