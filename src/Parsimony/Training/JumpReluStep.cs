using Parsimony.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>
/// JumpReLU: <c>mean over tokens of Σ (xHat - x)² + λ S</c> with S = (L0 / target - 1)², or L0 when there is no target. A threshold θ has no true
/// gradient; a rectangle of width ε around it stands in for one: <c>∂f/∂θ = -(θ/ε) rect((h - θ)/ε)</c>, <c>∂L0/∂θ = -(1/ε) rect((h - θ)/ε)</c>.
/// </summary>
/// <remarks>θ is learnt raw, in float32 (as a logarithm Adam would move it by a share of itself a step, and it would freeze), and kept at 0 or above.</remarks>
public sealed class JumpReluStep : ISaeStep
{
    private readonly SaeTrainingOptions options;
    private readonly LearntWeights weights;
    private readonly double? targetL0;

    /// <summary>Starts from an autoencoder, which is copied.</summary>
    /// <param name="start">First weights; stays the caller's. It also says whether b_dec is taken off the input.</param>
    /// <param name="options">Target L0, bandwidth, Adam's constants, clipping, the decoder's constraint.</param>
    public JumpReluStep(JumpReluSae start, SaeTrainingOptions options)
    {
        this.options = ArchitectureDefaults.Resolve(options.Validated()) with { ApplyBDecToInput = start.ApplyBDecToInput };
        (DModel, DSae, weights) = (start.DModel, start.DSae, new(this.options, start.Weights));
        targetL0 = ArchitectureDefaults.TargetL0(options, DSae);
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
        var (wEnc, wDec, bEnc, bDec, theta) = (weights["W_enc"], weights["W_dec"], weights["b_enc"], weights["b_dec"], weights["threshold"]);
        long batch = x.shape[0];
        double bandwidth = options.Jumprelu.Bandwidth;
        var centred = options.ApplyBDecToInput ? x - bDec : x;
        var h = SaeGradients.Encode(centred, wEnc, bEnc);
        var active = (h > theta).to(ScalarType.Float32);
        var f = h * active;
        var residual = SaeGradients.Residual(f, wDec, bDec, target);
        var fires = SaeGradients.OverTokens(active);
        var (sparsity, dL0) = Sparsity(fires.sum() / batch);

        var dReconstruction = SaeGradients.OfMse(residual);
        var df = dReconstruction.mm(wDec.t());
        var near = Window(h, theta, bandwidth);
        var dTheta = SaeGradients.OverTokens(df * near).mul_(theta).div_(-bandwidth);
        if (options.Jumprelu.Window == JumpReluWindow.Activations) near = Window(f, theta, bandwidth);
        dTheta.sub_(SaeGradients.OverTokens(near) * (dL0 * (inputs.SparsityCoefficient / (bandwidth * batch))));
        var gradients = SaeGradients.OfAffineMaps(centred, f, dReconstruction, df.mul_(active), options.ApplyBDecToInput ? wEnc : null);
        gradients.Add("threshold", dTheta);
        weights.Update(gradients, inputs);
        theta.clamp_min_(0);

        var mse = SaeGradients.Mse(residual);
        return new SaeStepResult(residual, mse + inputs.SparsityCoefficient * sparsity, mse, sparsity, fires, Sums: SaeGradients.OverTokens(f)).MoveOut();
    }

    /// <inheritdoc/>
    public void Replace(Tensor latents, Tensor encoderColumns, Tensor decoderRows)
    {
        using var _ = no_grad();
        weights.Replace(latents, encoderColumns, decoderRows);
        weights["threshold"].index_fill_(0, latents, options.Jumprelu.FirstThreshold);
    }

    /// <inheritdoc/>
    public ISparseAutoencoder ToAutoencoder() => new JumpReluSae(
        weights["W_enc"], weights["W_dec"], weights["b_enc"], weights["b_dec"], weights["threshold"], options.ApplyBDecToInput);

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, Tensor> State() => weights.State();

    /// <inheritdoc/>
    public void Restore(IReadOnlyDictionary<string, Tensor> state) => LearntWeights.Restore(State(), state);

    /// <summary>Frees weights and moments.</summary>
    public void Dispose() => weights.Dispose();

    // The sparsity term and its derivative by L0.
    private (Tensor Value, Tensor ByL0) Sparsity(Tensor l0)
    {
        if (targetL0 is not { } wanted) return (l0, ones_like(l0));
        var off = l0 / wanted - 1;
        return (off.square(), off * (2 / wanted));
    }

    // rect((a - θ)/ε): 1 where a lies within half a bandwidth of its threshold.
    private static Tensor Window(Tensor a, Tensor theta, double bandwidth) => ((a - theta).abs_() < bandwidth / 2).to(ScalarType.Float32);
}
