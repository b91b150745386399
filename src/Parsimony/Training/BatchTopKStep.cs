using Parsimony.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>
/// BatchTopK: a batch keeps its k · batch largest latents; plus <see cref="AuxK"/>. Matryoshka is the same with more than one group of latents: the
/// squared error is then the mean over prefixes (the first group, the first two, ...) of <c>mean over tokens of |prefix · W_dec + b_dec - x|²</c>.
/// </summary>
public sealed class BatchTopKStep : ISaeStep
{
    private readonly SaeTrainingOptions options;
    private readonly LearntWeights weights;
    private readonly AuxK auxK;
    private readonly RunningThreshold threshold;
    private readonly (int Start, int Count)[] groups;

    /// <summary>Starts from encoder and decoder, which are copied.</summary>
    /// <param name="start">First weights; stays the caller's. It also says whether b_dec is taken off the input.</param>
    /// <param name="options">k and its schedule, groups where the architecture is Matryoshka, AuxK, Adam's constants, clipping, the decoder's constraint.</param>
    public BatchTopKStep(StandardSae start, SaeTrainingOptions options)
    {
        this.options = ArchitectureDefaults.Resolve(options.Validated()) with { ApplyBDecToInput = start.ApplyBDecToInput };
        (DModel, DSae, weights) = (start.DModel, start.DSae, new(this.options, start.Weights));
        var device = weights["W_dec"].device;
        (auxK, threshold) = (new(options.TopK, DSae, DModel, device), new(options.TopK, device));
        groups = options.Architecture == SaeArchitecture.MatryoshkaBatchtopk ? [.. Groups(options.TopK.GroupFractions, DSae)] : [(0, DSae)];
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
        var (f, smallest) = TopKSelection.PerBatch(positive, Schedules.K(options.TopK, (inputs.Step - 1) * x.shape[0]));
        threshold.Observe(smallest, inputs.Step, x.shape[0]);
        var (active, dDec, dh) = (SaeGradients.Active(f), empty_like(wDec), empty_like(f));
        var (residual, ofPrefixes, dReconstruction) = Prefixes(f, target, dDec, dh);
        var fires = SaeGradients.OverTokens(active);
        var auxiliary = auxK.Observe(fires, residual, positive, wDec);

        dh.mul_(active);
        if (auxiliary is { Dh: var deadDh }) dh.add_(deadDh);
        if (auxiliary is { DDec: var deadDec }) dDec.add_(deadDec);
        var dBEnc = SaeGradients.OverTokens(dh);
        var dBDec = SaeGradients.OverTokens(dReconstruction);
        if (options.ApplyBDecToInput) dBDec.sub_(wEnc.mv(dBEnc));
        weights.Update(new Dictionary<string, Tensor> { ["W_enc"] = centred.t().mm(dh), ["W_dec"] = dDec, ["b_enc"] = dBEnc, ["b_dec"] = dBDec }, inputs);

        var mse = SaeGradients.Mse(residual);
        var loss = auxiliary is { Loss: var extra } ? ofPrefixes + extra : ofPrefixes;
        return new SaeStepResult(residual, loss, mse, zeros_like(mse), fires, loss - mse, SaeGradients.OverTokens(f)).MoveOut();
    }

    /// <summary>Decodes prefix by prefix and goes back from the last: a group's rows feel the errors of every prefix that holds it.</summary>
    /// <param name="f">Latents, <c>[batch, d_sae]</c>.</param>
    /// <param name="target"><c>[batch, d_model]</c>.</param>
    /// <param name="dDec">Filled with the gradient of W_dec.</param>
    /// <param name="df">Filled with the gradient at the latents.</param>
    /// <returns>The residual of the whole, the mean of the prefixes' squared errors, the gradient at b_dec before its sum over tokens.</returns>
    private (Tensor Residual, Tensor Loss, Tensor DReconstruction) Prefixes(Tensor f, Tensor target, Tensor dDec, Tensor df)
    {
        var wDec = weights["W_dec"];
        var residuals = new Tensor[groups.Length];
        var before = weights["b_dec"] - target;
        Tensor? loss = null;
        for (int g = 0; g < groups.Length; g++)
        {
            var (start, count) = groups[g];
            before = residuals[g] = before.addmm(f.narrow(1, start, count), wDec.narrow(0, start, count));
            var share = SaeGradients.Mse(before) / groups.Length;
            loss = loss is null ? share : loss.add_(share);
        }
        var d = zeros_like(before);
        for (int g = groups.Length - 1; g >= 0; g--)
        {
            var (start, count) = groups[g];
            d.add_(SaeGradients.OfMse(residuals[g], 1.0 / groups.Length));
            dDec.narrow(0, start, count).copy_(f.narrow(1, start, count).t().mm(d));
            df.narrow(1, start, count).copy_(d.mm(wDec.narrow(0, start, count).t()));
        }
        return (before, loss!, d);
    }

    /// <summary>Shares of d_sae as runs of latents; the last takes what rounding leaves.</summary>
    internal static IEnumerable<(int Start, int Count)> Groups(IReadOnlyList<double> fractions, int dSae)
    {
        int start = 0;
        for (int g = 0; g < fractions.Count; g++)
        {
            int count = g == fractions.Count - 1 ? dSae - start : Math.Min((int)(fractions[g] * dSae), dSae - start);
            if (count > 0) yield return (start, count);
            start += count;
        }
    }

    /// <inheritdoc/>
    public void Replace(Tensor latents, Tensor encoderColumns, Tensor decoderRows) => weights.Replace(latents, encoderColumns, decoderRows);

    /// <summary>A JumpReLU with one threshold for all latents: what a token keeps then no longer depends on the rest of its batch.</summary>
    public ISparseAutoencoder ToAutoencoder()
    {
        using var all = threshold.Of(DSae);
        return new JumpReluSae(weights["W_enc"], weights["W_dec"], weights["b_enc"], weights["b_dec"], all, options.ApplyBDecToInput);
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
