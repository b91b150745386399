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
    private static readonly long[] TokenAxis = [0];
    private readonly StandardSae sae;
    private readonly SaeTrainingOptions options;
    private readonly Adam wEnc, wDec, bEnc, bDec;
    private readonly Tensor gradient; // [d_sae * d_model], of W_dec first, of W_enc then
    private Tensor f, df, ones;       // [batch, d_sae], [batch, d_sae], [batch]

    /// <summary>Starts from an autoencoder, which is copied.</summary>
    /// <param name="start">First weights; stays the caller's.</param>
    /// <param name="options">Adam's constants and the decoder's constraint.</param>
    public DenseStep(StandardSae start, SaeTrainingOptions options)
    {
        this.options = options.Validated();
        sae = new StandardSae(start.WEnc, start.WDec, start.BEnc, start.BDec);
        (wEnc, wDec, bEnc, bDec) = (new(sae.WEnc, options), new(sae.WDec, options), new(sae.BEnc, options), new(sae.BDec, options));
        gradient = Kept(empty((long)DSae * DModel, device: sae.WEnc.device));
        (f, df, ones) = Buffers(0);
    }

    /// <inheritdoc/>
    public int DModel => sae.DModel;

    /// <inheritdoc/>
    public int DSae => sae.DSae;

    /// <inheritdoc/>
    public SaeStepResult Run(Tensor x, Tensor target, SaeStepInputs inputs)
    {
        var (step, learningRate, l1Coefficient) = inputs;
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        long batch = x.shape[0];
        float perToken = 2f / batch;
        if (f.shape[0] != batch) Resize(batch);

        var xCentred = x - sae.BDec;                                               // [batch, d_model]
        f.copy_(sae.BEnc.expand(f.shape)).addmm_(xCentred, sae.WEnc).relu_();      // [batch, d_sae]
        var residual = xCentred.addmm(f, sae.WDec, -1, 1);                         // xHat - x, [batch, d_model]
        var mse = residual.norm().pow_(2).div_(batch);
        var sums = f.sum(TokenAxis);
        var l1 = sums.sum().div_(batch);

        df.fill_(l1Coefficient / batch).addmm_(residual, sae.WDec.t(), 1, perToken); // ∂f before the ReLU's mask
        var dDec = gradient.view(DSae, DModel);
        dDec.addmm_(f.t(), residual, 0, perToken);
        var active = f.sign_();                                                    // f is used up: 1 where it was above 0
        var fires = active.t().mv(ones);
        df.mul_(active);
        var dBEnc = df.t().mv(ones);
        var dBDec = residual.t().mv(ones).mul_(perToken).sub_(sae.WEnc.mv(dBEnc));

        if (options.DecoderConstraint == DecoderConstraint.ProjectAndRenormalise) DecoderRow.ProjectOut(dDec, sae.WDec);
        wDec.Update(dDec, learningRate, step);
        DecoderRow.Renormalise(sae.WDec);
        var dEnc = gradient.view(DModel, DSae).addmm_(xCentred.t(), df, 0, 1);
        wEnc.Update(dEnc, learningRate, step);
        bEnc.Update(dBEnc, learningRate, step);
        bDec.Update(dBDec, learningRate, step);

        var loss = mse + l1Coefficient * l1;
        return new SaeStepResult(residual, loss, mse, l1, fires, Sums: sums).MoveOut();
    }

    /// <inheritdoc/>
    public void Replace(Tensor latents, Tensor encoderColumns, Tensor decoderRows)
    {
        using var _ = no_grad();
        sae.WEnc.index_copy_(1, latents, encoderColumns);
        sae.WDec.index_copy_(0, latents, decoderRows);
        sae.BEnc.index_fill_(0, latents, 0);
        wEnc.Forget(1, latents);
        wDec.Forget(0, latents);
        bEnc.Forget(0, latents);
    }

    /// <inheritdoc/>
    public ISparseAutoencoder ToAutoencoder() => new StandardSae(sae.WEnc, sae.WDec, sae.BEnc, sae.BDec);

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, Tensor> State()
    {
        var state = new Dictionary<string, Tensor>();
        foreach (var (name, adam) in Parameters())
        {
            state.Add(name, adam.Parameter);
            state.Add($"{name}.exp_avg", adam.Mean);
            state.Add($"{name}.exp_avg_sq", adam.MeanSquare);
        }
        return state;
    }

    /// <inheritdoc/>
    public void Restore(IReadOnlyDictionary<string, Tensor> state)
    {
        foreach (var (name, own) in State())
            if (!state.TryGetValue(name, out var saved) || !saved.shape.SequenceEqual(own.shape))
                throw new InvalidDataException(
                    $"The saved state has no tensor {name} of shape [{string.Join(", ", own.shape)}]; it belongs to another SAE.");
        using var _ = no_grad();
        foreach (var (name, own) in State()) own.copy_(state[name]);
    }

    /// <summary>Frees weights, moments and buffers.</summary>
    public void Dispose()
    {
        foreach (var (_, adam) in Parameters()) adam.Dispose();
        foreach (var buffer in (Tensor[])[gradient, f, df, ones]) buffer.Dispose();
        sae.Dispose();
    }

    private IEnumerable<(string Name, Adam Adam)> Parameters() => [("W_enc", wEnc), ("W_dec", wDec), ("b_enc", bEnc), ("b_dec", bDec)];

    private void Resize(long batch)
    {
        foreach (var buffer in (Tensor[])[f, df, ones]) buffer.Dispose();
        (f, df, ones) = Buffers(batch);
    }

    private (Tensor F, Tensor Df, Tensor Ones) Buffers(long batch) =>
        (Kept(empty(batch, DSae, device: sae.WEnc.device)), Kept(empty(batch, DSae, device: sae.WEnc.device)),
            Kept(torch.ones(batch, device: sae.WEnc.device)));

    private static Tensor Kept(Tensor t) => t.DetachFromDisposeScope();
}
