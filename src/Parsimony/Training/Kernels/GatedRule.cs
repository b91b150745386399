using Parsimony.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training.Kernels;

/// <summary>Gated, with the loss of <see cref="GatedStep"/>. Entries are the open gates, <c>u + b_gate &gt; 0</c>: the first value is f, the second ReLU(π).</summary>
internal sealed unsafe class GatedRule : ISparseRule
{
    private readonly LatentParameter bGate, bMag, rMag;
    private readonly bool applyBDecToInput;
    private readonly NativeArray<float> zeros, scale; // [d_sae]: no bias; exp(r_mag)
    private float l1;

    public GatedRule(GatedSae start, SaeTrainingOptions options)
    {
        (bGate, bMag, rMag, applyBDecToInput) = (new("b_gate", start.BGate), new("b_mag", start.BMag), new("r_mag", start.RMag), start.ApplyBDecToInput);
        (zeros, scale) = (new NativeArray<float>(start.DSae).Cleared(), new(start.DSae));
        WeighsByNorms = options.DecoderConstraint == DecoderConstraint.Free;
        Reconstructions = [new(0, start.DSae), new(0, start.DSae, OfSeconds: true, TeachesDecoder: options.GatedAuxiliary == GatedAuxiliary.LearningDecoder)];
    }

    /// <inheritdoc/>
    public IReadOnlyList<LatentParameter> Parameters => [bGate, bMag, rMag];

    /// <inheritdoc/>
    public EntryPlanes Planes => EntryPlanes.InputAndSecond;

    /// <inheritdoc/>
    public IReadOnlyList<Reconstruction> Reconstructions { get; }

    /// <inheritdoc/>
    public bool WeighsByNorms { get; }

    /// <inheritdoc/>
    public void Find(SparseBatch batch)
    {
        var active = batch.Active;
        l1 = (float)(batch.Inputs.SparsityCoefficient / batch.Tokens);
        batch.Encoder.FindActive(batch.X, 0, active.DSae, new(zeros.Pointer, bGate.Values, batch.NoFloors.Pointer));
        batch.Team.Run(LatentSlices.Count, (_, slice) =>
        {
            var (first, end) = LatentSlices.Of(slice, active.DSae);
            for (int j = first; j < end; j++) Open(active, j);
        });
    }

    /// <inheritdoc/>
    public LatentGradients Gate(ActiveEntries active, int latent, float rowNorm)
    {
        long at = active.Offsets[latent];
        float* f = active.Values + at, pi = active.Seconds + at, u = active.Inputs + at, df = active.Gradients + at, dPi = active.SecondGradients + at;
        float sum = 0, gates = 0, along = 0, secondAlong = 0, dMag = 0, dMagU = 0, dGate = 0, du = 0, perValue = l1 * rowNorm;
        int fires = 0;
        for (int i = 0; i < active.Counts[latent]; i++)
        {
            secondAlong += pi[i] * dPi[i];
            along += f[i] * df[i];
            gates += pi[i];
            float gate = dPi[i] + perValue, magnitude = 0;
            if (f[i] > 0)
            {
                fires++;
                sum += f[i];
                magnitude = df[i];
                dMag += magnitude;
                dMagU += magnitude * u[i];
            }
            dGate += gate;
            df[i] = magnitude * scale.Pointer[latent] + gate;
            du += df[i];
        }
        (bGate.Gradients[latent], bMag.Gradients[latent], rMag.Gradients[latent]) = (dGate, dMag, dMagU * scale.Pointer[latent]);
        if (Reconstructions[1].TeachesDecoder) along += secondAlong;
        return new(du, along, fires, sum, gates * rowNorm, WeighsByNorms ? l1 * gates / rowNorm : 0); // ∂|row| = row / |row|
    }

    /// <inheritdoc/>
    public (double Sparsity, double? Auxiliary) Terms(SparseMeasures measures) => (measures.Sparsity, measures.SquaredErrors[1]);

    /// <inheritdoc/>
    public ISparseAutoencoder ToAutoencoder(Tensor wEnc, Tensor wDec, Tensor bDec) => new GatedSae(
        wEnc, wDec, bGate.Learned.Parameter, bMag.Learned.Parameter, rMag.Learned.Parameter, bDec, applyBDecToInput);

    public void Dispose()
    {
        foreach (IDisposable part in (IDisposable[])[bGate, bMag, rMag, zeros, scale]) part.Dispose();
    }

    // Both values of one latent's entries, from the products.
    private void Open(ActiveEntries active, int latent)
    {
        long at = active.Offsets[latent];
        float* f = active.Values + at, u = active.Inputs + at, pi = active.Seconds + at;
        float factor = scale.Pointer[latent] = MathF.Exp(rMag.Values[latent]);
        for (int i = 0; i < active.Counts[latent]; i++)
        {
            u[i] = f[i];
            pi[i] = u[i] + bGate.Values[latent];
            f[i] = MathF.Max(0, u[i] * factor + bMag.Values[latent]);
        }
    }
}
