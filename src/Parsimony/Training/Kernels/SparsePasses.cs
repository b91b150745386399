using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training.Kernels;

/// <summary>
/// One step in three passes over sparse entries: encode (by blocks of latents: product, activation, entries), decode (by tiles of columns: xHat, residual, loss),
/// backward (by chunks of latents: gradients, Adam and renormalisation of both rows). No gradient of a weight matrix is ever stored.
/// </summary>
/// <remarks>
/// A latent without entries has a zero gradient; its moments decay and its weights move all the same, as dense Adam does. Chunks and tiles do not depend on
/// the number of threads and every sum has a fixed order, so neither do the results.
/// </remarks>
internal sealed unsafe class SparsePasses<VPanel, VTile> : ISparsePasses
    where VPanel : struct, ILanes<VPanel>
    where VTile : struct, ILanes<VTile>
{
    private const double Tiny = 1e-6; // as torch.nn.utils.clip_grad_norm_
    private readonly ThreadTeam team;
    private readonly SaeTrainingOptions options;
    private readonly ISparseRule rule;
    private readonly LatentRows rows;
    private readonly int batch, dModel, dSae;
    private readonly TokenTiles tiles;
    private readonly ActiveEntries active;
    private readonly LearnedTensor wEnc, wDec, bDec;
    private readonly BackwardKernel<VTile> backward;
    private readonly NativeArray<float> noFloors, noBias; // zeros: [padded batch], [d_model]
    private readonly NativeArray<float> residualSums;     // [d_model]
    private readonly NativeArray<double> squaredErrors;   // [tile][reconstruction]
    private IEncoderProduct? encoder;

    /// <param name="team">Who works.</param>
    /// <param name="options">Resolved options: Adam's constants, clipping, the decoder's constraint, whether b_dec is taken off the encoder's input.</param>
    /// <param name="rule">The architecture.</param>
    /// <param name="wEnc"><c>[d_sae, d_model]</c>.</param>
    /// <param name="wDec"><c>[d_sae, d_model]</c>.</param>
    /// <param name="bDec"><c>[d_model]</c>.</param>
    /// <param name="batch">Tokens.</param>
    /// <param name="targetIsInput">False for transcoders.</param>
    public SparsePasses(
        ThreadTeam team, SaeTrainingOptions options, ISparseRule rule, LearnedTensor wEnc, LearnedTensor wDec, LearnedTensor bDec, int batch, bool targetIsInput)
    {
        (this.team, this.options, this.rule, this.wEnc, this.wDec, this.bDec, this.batch) = (team, options, rule, wEnc, wDec, bDec, batch);
        rows = new LatentRows(wEnc.Pointers(), wDec.Pointers(), bDec.Pointers());
        (dSae, dModel) = ((int)wEnc.Parameter.shape[0], (int)wEnc.Parameter.shape[1]);
        int reconstructions = rule.Reconstructions.Count;
        tiles = new TokenTiles(batch, dModel, EncoderKernel<VPanel>.PanelTokens, TileKernel<VTile>.Columns, reconstructions, targetIsInput && options.ApplyBDecToInput);
        active = new ActiveEntries(batch, dSae, rule.Planes);
        backward = new BackwardKernel<VTile>(tiles, active, rows, rule, options.DecoderConstraint, team.Size);
        (noFloors, noBias) = (new NativeArray<float>(tiles.Panels * tiles.PanelTokens).Cleared(), new NativeArray<float>(dModel).Cleared());
        (residualSums, squaredErrors) = (new(dModel), new(tiles.Tiles * reconstructions));
    }

    /// <inheritdoc/>
    public int Batch => batch;

    // What the mean over tokens and, of nested reconstructions, the mean over them make of a residual's gradient.
    private float ResidualScale => 2f / (batch * (rule.IsNested ? rule.Reconstructions.Count : 1));

    /// <inheritdoc/>
    public SparseMeasures Run(Tensor x, Tensor target, SaeStepInputs inputs)
    {
        using var scope = NewDisposeScope();
        target = rule.OfLatents(x, target);
        float* from = x.Pointer(), wanted = target.Pointer(), offInput = options.ApplyBDecToInput ? rows.BDec.P : noBias.Pointer;
        team.Run(tiles.Panels, (_, panel) => tiles.Fill(panel, from, offInput, wanted, rows.BDec.P));
        encoder ??= Encoder(x);
        active.Clear();
        var step = new SparseBatch(x, inputs, encoder, active, team, noFloors, wEnc.Parameter, wDec.Parameter, options.ApplyBDecToInput ? bDec.Parameter : null);
        rule.Find(step);
        team.Run(tiles.Tiles, (_, tile) => Decode(tile));
        backward.Extra = rule.Extra(step, this);
        bool clips = options.GradientClip > 0;
        if (clips) team.Run(backward.Chunks, backward.Measure);
        double factor = clips ? Math.Min(1, options.GradientClip!.Value / (Norm() + Tiny)) : 1;
        var adam = AdamNumbers.At(options, inputs, factor);
        if (clips) team.Run(backward.Chunks, (worker, chunk) => backward.Move(worker, chunk, adam));
        else team.Run(backward.Chunks, (worker, chunk) => backward.Run(worker, chunk, adam));
        MoveDecoderBias(adam);
        rule.Finish(inputs, factor);
        GC.KeepAlive(x);
        GC.KeepAlive(target);
        return new SparseMeasures([.. Enumerable.Range(0, rule.Reconstructions.Count).Select(SquaredError)], backward.Sparsity / batch);
    }

    /// <inheritdoc/>
    public Tensor Residual()
    {
        var residual = empty(batch, dModel);
        float* to = residual.Pointer();
        team.Run(tiles.Panels, (_, panel) => tiles.CopyResidual(panel, rule.Main, 1 / ResidualScale, to));
        return residual;
    }

    /// <inheritdoc/>
    public Tensor Fires() => Copy(backward.Fires);

    /// <inheritdoc/>
    public Tensor Sums() => Copy(backward.Sums);

    /// <inheritdoc/>
    public EncoderBy? EncoderBy { get; set; }

    public void Dispose()
    {
        encoder?.Dispose();
        foreach (IDisposable part in (IDisposable[])[backward, tiles, active, noFloors, noBias, residualSums, squaredErrors]) part.Dispose();
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
        using var noBiases = new NativeArray<float>(dSae).Cleared();
        var bounds = new EntryBounds(noBiases.Pointer, noBiases.Pointer, noFloors.Pointer);
        return EncoderChoice.For($"{team.Size} threads, batch {batch}, {dModel} x {dSae}", () => Find(kernel), () => Find(libtorch));

        void Find(IEncoderProduct by)
        {
            active.Clear();
            by.FindActive(x, 0, dSae, bounds);
        }
    }

    private IEncoderProduct Encoder(EncoderBy by) => by == Kernels.EncoderBy.Kernel
        ? new EncoderKernel<VPanel>(team, tiles, active, rows)
        : new TorchEncoder<VPanel>(team, active, wEnc.Parameter, options.ApplyBDecToInput ? bDec.Parameter : null, batch);

    // xHat - b_dec of one tile in the residuals' place, then the residuals themselves. Nested ones are added up from the last: each then holds the
    // gradient that its own latents feel.
    private void Decode(int tile)
    {
        int columns = tiles.TileColumns, count = rule.Reconstructions.Count;
        var size = batch * columns;
        for (int r = 0; r < count; r++)
        {
            var (start, latents, ofSeconds, _) = rule.Reconstructions[r];
            float* xHat = tiles.Residual(tile, r), values = ofSeconds ? active.Seconds : active.Values;
            if (r > 0 && rule.IsNested) new Span<float>(tiles.Residual(tile, r - 1), size).CopyTo(new Span<float>(xHat, size));
            else new Span<float>(xHat, size).Clear();
            float* w = rows.WDec.P + (long)start * dModel + tile * columns;
            for (int j = start; j < start + latents; j++, w += dModel)
                if (active.Counts[j] is > 0 and int entries)
                    TileKernel<VTile>.Decode(entries, active.Tokens + active.Offsets[j], values + active.Offsets[j], w, xHat);
        }
        float* columnSums = residualSums.Pointer + tile * columns;
        new Span<float>(columnSums, columns).Clear();
        for (int r = 0; r < count; r++)
            squaredErrors.Pointer[tile * count + r] = ResidualKernel<VTile>.Subtract(
                batch, columns, ResidualScale, tiles.Residual(tile, r), tiles.Wanted(tile), rule.Reconstructions[r].TeachesDecoder ? columnSums : null);
        if (rule.IsNested)
            for (int r = count - 2; r >= 0; r--) ResidualKernel<VTile>.Add(size, tiles.Residual(tile, r), tiles.Residual(tile, r + 1));
    }

    private double SquaredError(int reconstruction)
    {
        double sum = 0;
        for (int tile = 0; tile < tiles.Tiles; tile++) sum += squaredErrors.Pointer[tile * rule.Reconstructions.Count + reconstruction];
        return sum / batch;
    }

    // The norm of all gradients together, the latents' being measured.
    private double Norm()
    {
        double sum = backward.Squares + rule.RestSquares;
        for (int k = 0; k < dModel; k++)
        {
            double gradient = BiasGradient(k);
            sum += gradient * gradient;
        }
        return Math.Sqrt(sum);
    }

    // b_dec is in xHat and, with the other sign, in every pre-activation that it is taken off from.
    private float BiasGradient(int column) => residualSums.Pointer[column] - (options.ApplyBDecToInput ? backward.EncoderSum(column) : 0);

    private void MoveDecoderBias(in AdamNumbers adam)
    {
        for (int k = 0; k < dModel; k++) AdamKernel<VTile>.Move(ref rows.BDec.P[k], ref rows.BDec.M[k], ref rows.BDec.V[k], BiasGradient(k), adam);
    }

    private Tensor Copy(float* ofLatents)
    {
        var copy = empty(dSae);
        new Span<float>(ofLatents, dSae).CopyTo(new Span<float>(copy.Pointer(), dSae));
        return copy;
    }
}
