using Parsimony.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training.Kernels;

/// <summary>JumpReLU, with the loss and the pseudo-gradients of <see cref="JumpReluStep"/>. Entries are all pre-activations above the lower end of their threshold's
/// window: those between it and the threshold are worth 0, but the threshold learns from them.</summary>
internal sealed unsafe class JumpReluRule : ISparseRule
{
    private const float Margin = 1e-3f; // of a bandwidth: rounding must lose no entry, the exact comparison comes after
    private readonly LatentParameter bEnc, threshold;
    private readonly JumpReluOptions options;
    private readonly double? targetL0;
    private readonly bool applyBDecToInput;
    private readonly NativeArray<float> shift;
    private int batchTokens;
    private double l0;
    private float perActive; // what one active latent of one token adds to the loss, by the term's derivative

    public JumpReluRule(JumpReluSae start, SaeTrainingOptions options)
    {
        (bEnc, threshold, applyBDecToInput) = (new("b_enc", start.BEnc), new("threshold", start.Threshold), start.ApplyBDecToInput);
        (this.options, targetL0) = (options.Jumprelu, ArchitectureDefaults.TargetL0(options, start.DSae));
        (shift, Reconstructions) = (new(start.DSae), [new(0, start.DSae)]);
    }

    /// <inheritdoc/>
    public IReadOnlyList<LatentParameter> Parameters => [bEnc, threshold];

    /// <inheritdoc/>
    public EntryPlanes Planes => EntryPlanes.Input;

    /// <inheritdoc/>
    public IReadOnlyList<Reconstruction> Reconstructions { get; }

    private float HalfWindow => (float)(options.Bandwidth / 2);

    /// <inheritdoc/>
    public void Find(SparseBatch batch)
    {
        var active = batch.Active;
        float below = HalfWindow * (1 + Margin);
        for (int j = 0; j < active.DSae; j++) shift.Pointer[j] = bEnc.Values[j] - threshold.Values[j] + below + Margin * MathF.Abs(threshold.Values[j]);
        batch.Encoder.FindActive(batch.X, 0, active.DSae, new(bEnc.Values, shift.Pointer, batch.NoFloors.Pointer));
        long fires = 0;
        batch.Team.Run(LatentSlices.Count, (_, slice) => Interlocked.Add(ref fires, Open(active, slice)));
        (batchTokens, l0) = (batch.Tokens, (double)fires / batch.Tokens);
        double byL0 = targetL0 is { } wanted ? 2 / wanted * (l0 / wanted - 1) : 1;
        perActive = (float)(batch.Inputs.SparsityCoefficient * byL0 / batch.Tokens);
    }

    /// <inheritdoc/>
    public LatentGradients Gate(ActiveEntries active, int latent, float rowNorm)
    {
        long at = active.Offsets[latent];
        float* f = active.Values + at, h = active.Inputs + at, df = active.Gradients + at;
        float theta = threshold.Values[latent], half = HalfWindow, sum = 0, along = 0, gradients = 0, near = 0;
        int fires = 0, inWindow = 0;
        for (int i = 0; i < active.Counts[latent]; i++)
        {
            bool isNear = MathF.Abs(h[i] - theta) < half, isOpen = h[i] > theta;
            if (isNear) near += df[i];
            if (isNear && (isOpen || options.Window == JumpReluWindow.PreActivations)) inWindow++;
            if (!isOpen)
            {
                df[i] = 0;
                continue;
            }
            fires++;
            sum += f[i];
            along += f[i] * df[i];
            gradients += df[i];
        }
        if (options.Window == JumpReluWindow.Activations && theta < half) inWindow += batchTokens - fires; // a latent that is 0 lies within half a bandwidth of θ
        bEnc.Gradients[latent] = gradients;
        threshold.Gradients[latent] = -(theta * near + perActive * inWindow) / (float)options.Bandwidth;
        return new(gradients, along, fires, sum, 0);
    }

    /// <inheritdoc/>
    public (double Sparsity, double? Auxiliary) Terms(SparseMeasures measures) =>
        (targetL0 is { } wanted ? (l0 / wanted - 1) * (l0 / wanted - 1) : l0, null);

    /// <inheritdoc/>
    public void Finish(SaeStepInputs inputs, double factor) => threshold.Learned.Parameter.clamp_min_(0);

    /// <inheritdoc/>
    public void Replaced(Tensor latents) => threshold.Learned.Parameter.index_fill_(0, latents, options.FirstThreshold);

    /// <inheritdoc/>
    public ISparseAutoencoder ToAutoencoder(Tensor wEnc, Tensor wDec, Tensor bDec) =>
        new JumpReluSae(wEnc, wDec, bEnc.Learned.Parameter, bDec, threshold.Learned.Parameter, applyBDecToInput);

    public void Dispose()
    {
        bEnc.Dispose();
        threshold.Dispose();
        shift.Dispose();
    }

    // Values of one slice of latents, from what the encoder gave. How many are above their threshold.
    private long Open(ActiveEntries active, int slice)
    {
        long fires = 0;
        var (first, end) = LatentSlices.Of(slice, active.DSae);
        for (int j = first; j < end; j++)
        {
            float* f = active.Values + active.Offsets[j], h = active.Inputs + active.Offsets[j];
            for (int i = 0; i < active.Counts[j]; i++)
            {
                h[i] = f[i];
                if (f[i] > threshold.Values[j]) fires++;
                else f[i] = 0;
            }
        }
        return fires;
    }
}
