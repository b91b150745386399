using System.Runtime.CompilerServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training.Kernels;

/// <summary>
/// One step of the article's SAE in three passes over sparse entries:
/// encode (by blocks of latents: product, ReLU, entries), decode (by tiles of columns: xHat, residual, loss), backward (by chunks of latents: gradients, Adam and
/// renormalisation of both rows). No gradient of a weight matrix is ever stored.
/// </summary>
/// <remarks>
/// A latent without entries has a zero gradient; its moments decay and its weights move all the same, as dense Adam does. Chunks and tiles do not depend on
/// the number of threads and every sum has a fixed order, so neither do the results.
/// </remarks>
internal sealed unsafe class SparsePasses<VPanel, VTile> : ISparsePasses
    where VPanel : struct, ILanes<VPanel>
    where VTile : struct, ILanes<VTile>
{
    private readonly ThreadTeam team;
    private readonly SaeTrainingOptions options;
    private readonly LatentRows rows;
    private readonly int batch, dModel, dSae;
    private readonly TokenTiles tiles;
    private readonly ActiveEntries active;
    private readonly LearnedTensor wEnc, bDec;
    private IEncoderProduct? encoder;
    private readonly BackwardKernel<VTile> backward;
    private readonly NativeArray<float> residualSums;   // [d_model]
    private readonly NativeArray<double> squaredErrors; // [tile]

    public SparsePasses(ThreadTeam team, SaeTrainingOptions options, LearnedTensor wEnc, LearnedTensor wDec, LearnedTensor bEnc, LearnedTensor bDec, int batch)
    {
        (this.team, this.options, this.wEnc, this.bDec) = (team, options, wEnc, bDec);
        rows = new LatentRows(wEnc.Pointers(), wDec.Pointers(), bEnc.Pointers(), bDec.Pointers());
        var (dSae, dModel) = ((int)wEnc.Parameter.shape[0], (int)wEnc.Parameter.shape[1]);
        (this.batch, this.dModel, this.dSae) = (batch, dModel, dSae);
        tiles = new TokenTiles(batch, dModel, EncoderKernel<VPanel>.PanelTokens, TileKernel<VTile>.Columns);
        active = new ActiveEntries(batch, dSae);
        backward = new BackwardKernel<VTile>(tiles, active, rows, team.Size);
        (residualSums, squaredErrors) = (new(dModel), new(tiles.Tiles));
    }

    /// <inheritdoc/>
    public int Batch => batch;

    /// <inheritdoc/>
    public (double Mse, double L1) Run(Tensor x, SaeStepInputs inputs)
    {
        float* from = x.Pointer();
        var adam = AdamNumbers.At(options, inputs);
        float l1 = (float)(inputs.SparsityCoefficient / batch);
        bool project = options.DecoderConstraint == DecoderConstraint.ProjectAndRenormalise;
        team.Run(tiles.Panels, (_, panel) => tiles.Fill(panel, from, rows.BDec.P));
        (encoder ??= Encoder(x)).FindActive(x);
        team.Run(tiles.Tiles, (_, tile) => Decode(tile));
        team.Run(backward.Chunks, (worker, chunk) => backward.Run(worker, chunk, l1, project, adam));
        MoveDecoderBias(adam);
        GC.KeepAlive(x);
        return (new Span<double>(squaredErrors.Pointer, tiles.Tiles).ToArray().Sum() / batch, backward.ValueSum() / batch);
    }

    /// <inheritdoc/>
    public Tensor Residual()
    {
        var residual = empty(batch, dModel);
        float* to = residual.Pointer();
        team.Run(tiles.Panels, (_, panel) => tiles.CopyResidual(panel, to));
        return residual;
    }

    /// <inheritdoc/>
    public Tensor Fires()
    {
        var fires = empty(dSae);
        float* to = fires.Pointer();
        for (int j = 0; j < dSae; j++) to[j] = active.Counts[j];
        return fires;
    }

    /// <inheritdoc/>
    public Tensor Sums()
    {
        var sums = empty(dSae);
        new Span<float>(backward.LatentSums, dSae).CopyTo(new Span<float>(sums.Pointer(), dSae));
        return sums;
    }

    /// <inheritdoc/>
    public EncoderBy? EncoderBy { get; set; }

    public void Dispose()
    {
        encoder?.Dispose();
        foreach (IDisposable part in (IDisposable[])[backward, tiles, active, residualSums, squaredErrors]) part.Dispose();
    }

    // Either way of doing the product; the faster one on this machine, unless a checkpoint says which it was.
    private IEncoderProduct Encoder(Tensor x)
    {
        EncoderBy ??= Faster(x);
        return Encoder(EncoderBy.Value);
    }

    private EncoderBy Faster(Tensor x)
    {
        using IEncoderProduct kernel = Encoder(Kernels.EncoderBy.Kernel), libtorch = Encoder(Kernels.EncoderBy.Libtorch);
        return EncoderChoice.For($"{team.Size} threads, batch {batch}, {dModel} x {dSae}", () => kernel.FindActive(x), () => libtorch.FindActive(x));
    }

    private IEncoderProduct Encoder(EncoderBy by) => by == Kernels.EncoderBy.Kernel
        ? new EncoderKernel<VPanel>(team, tiles, active, rows)
        : new TorchEncoder<VPanel>(team, active, rows, wEnc.Parameter, bDec.Parameter, batch);

    // xHat of one tile in the residual's place, then the residual itself.
    private void Decode(int tile)
    {
        int columns = tiles.TileColumns;
        float* residual = tiles.Residual(tile);
        new Span<float>(residual, batch * columns).Clear();
        float* w = rows.WDec.P + tile * columns;
        for (int j = 0; j < dSae; j++, w += dModel)
            if (active.Counts[j] is > 0 and int entries)
                TileKernel<VTile>.Decode(entries, active.Tokens + active.Offsets[j], active.Values + active.Offsets[j], w, residual);
        squaredErrors.Pointer[tile] = Subtract(batch, columns, residual, tiles.Centred(tile), residualSums.Pointer + tile * columns);
    }

    // Replaces xHat - b_dec by 2/batch times (xHat - x), adds up its columns, and returns the sum of squares of xHat - x.
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static double Subtract(int batch, int columns, float* xHat, float* centred, float* columnSums)
    {
        double squares = 0;
        var scale = VTile.Broadcast(2f / batch);
        new Span<float>(columnSums, columns).Clear();
        for (int token = 0; token < batch; token++, xHat += columns, centred += columns)
        {
            var sum = VTile.Zero;
            for (int k = 0; k < columns; k += VTile.Count)
            {
                var e = VTile.Subtract(VTile.Load(xHat + k), VTile.Load(centred + k));
                sum = VTile.MultiplyAdd(e, e, sum);
                e = VTile.Multiply(e, scale);
                e.Store(xHat + k);
                VTile.Add(e, VTile.Load(columnSums + k)).Store(columnSums + k);
            }
            squares += VTile.Sum(sum);
        }
        return squares;
    }

    // b_dec is in xHat and, with the other sign, in every pre-activation: ∂b_dec = Σ ∂xHat - Σ ∂b_enc W_enc.
    private void MoveDecoderBias(in AdamNumbers adam)
    {
        for (int k = 0; k < dModel; k++)
        {
            float gradient = residualSums.Pointer[k] - backward.EncoderSum(k);
            AdamKernel<VTile>.Move(ref rows.BDec.P[k], ref rows.BDec.M[k], ref rows.BDec.V[k], gradient, adam);
        }
    }
}
