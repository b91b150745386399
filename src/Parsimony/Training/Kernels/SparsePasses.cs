using System.Runtime.CompilerServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training.Kernels;

/// <summary>The weights and moments that the passes read and move: one row per latent, all float32.</summary>
/// <param name="WEnc"><c>[d_sae, d_model]</c>, the transpose of what is on disk.</param>
/// <param name="WDec"><c>[d_sae, d_model]</c>.</param>
/// <param name="BEnc"><c>[d_sae]</c>.</param>
/// <param name="BDec"><c>[d_model]</c>.</param>
internal readonly record struct LatentRows(AdamPointers WEnc, AdamPointers WDec, AdamPointers BEnc, AdamPointers BDec);

/// <summary>The passes of one step, without the width of the registers they were compiled for.</summary>
internal interface ISparsePasses : IDisposable
{
    /// <summary>Runs the whole step; see <see cref="SparsePasses{VPanel, VTile}"/>.</summary>
    /// <param name="x"><c>[batch, d_model]</c>, contiguous.</param>
    /// <param name="inputs">The schedules' numbers.</param>
    /// <returns>Mean squared error and mean L1 per token, before the update.</returns>
    (double Mse, double L1) Run(Tensor x, SaeStepInputs inputs);

    /// <summary>xHat - x of the last run, <c>[batch, d_model]</c>; the caller's.</summary>
    Tensor Residual();

    /// <summary>On how many tokens each latent fired in the last run, <c>[d_sae]</c> float32; the caller's.</summary>
    Tensor Fires();

    /// <summary>Each latent's sum over the batch in the last run, <c>[d_sae]</c> float32; the caller's.</summary>
    Tensor Sums();

    /// <summary>Rows of a batch.</summary>
    int Batch { get; }
}

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
    private const int ChunkLatents = 512, AheadLatents = 4;
    private readonly ThreadTeam team;
    private readonly SaeTrainingOptions options;
    private readonly LatentRows rows;
    private readonly int batch, dModel, dSae;
    private readonly TokenTiles tiles;
    private readonly ActiveEntries active;
    private readonly EncoderKernel<VPanel> encoder;
    private readonly NativeArray<float> zeros, gradients, latentSums; // [tile columns]; by worker; [d_sae]
    private readonly NativeArray<float> residualSums, encoderSums;   // [d_model]; [chunk][d_model]
    private readonly NativeArray<double> squaredErrors, l1Sums;      // [tile]; [chunk]

    public SparsePasses(ThreadTeam team, SaeTrainingOptions options, LatentRows rows, int batch, int dModel, int dSae)
    {
        (this.team, this.options, this.rows) = (team, options, rows);
        (this.batch, this.dModel, this.dSae) = (batch, dModel, dSae);
        tiles = new TokenTiles(batch, dModel, EncoderKernel<VPanel>.PanelTokens, TileKernel<VTile>.Columns);
        active = new ActiveEntries(batch, dSae);
        encoder = new EncoderKernel<VPanel>(tiles, active, team.Size);
        zeros = new NativeArray<float>(tiles.TileColumns).Cleared();
        gradients = new NativeArray<float>((long)team.Size * tiles.TileColumns);
        latentSums = new NativeArray<float>(dSae);
        (residualSums, encoderSums) = (new(dModel), new((long)Chunks * dModel));
        (squaredErrors, l1Sums) = (new(tiles.Tiles), new(Chunks));
    }

    private int Chunks => (dSae + ChunkLatents - 1) / ChunkLatents;

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
        active.Clear();
        team.Run(encoder.Blocks, (worker, block) => encoder.Encode(worker, block, rows.WEnc.P, rows.BEnc.P));
        team.Run(tiles.Tiles, (_, tile) => Decode(tile));
        team.Run(Chunks, (worker, chunk) => Backward(worker, chunk, l1, project, adam));
        MoveDecoderBias(adam);
        GC.KeepAlive(x);
        return (new Span<double>(squaredErrors.Pointer, tiles.Tiles).ToArray().Sum() / batch, new Span<double>(l1Sums.Pointer, Chunks).ToArray().Sum() / batch);
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
        new Span<float>(latentSums.Pointer, dSae).CopyTo(new Span<float>(sums.Pointer(), dSae));
        return sums;
    }

    public void Dispose()
    {
        foreach (IDisposable part in (IDisposable[])[encoder, tiles, active, zeros, gradients, latentSums, residualSums, encoderSums, squaredErrors, l1Sums]) part.Dispose();
    }

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

    private void Backward(int worker, int chunk, float l1, bool project, in AdamNumbers adam)
    {
        int first = chunk * ChunkLatents, end = Math.Min(dSae, first + ChunkLatents);
        float* squares = stackalloc float[ChunkLatents], along = stackalloc float[ChunkLatents], bias = stackalloc float[ChunkLatents];
        new Span<float>(squares, ChunkLatents).Clear();
        new Span<float>(along, ChunkLatents).Clear();
        if (project)
            for (int tile = 0; tile < tiles.Tiles; tile++) Dots(tile, first, end);
        else
            for (int tile = 0; tile < tiles.Tiles; tile++) DotsAndDecoder(worker, tile, first, end, squares, adam);
        l1Sums.Pointer[chunk] = Gate(first, end, l1, along, bias);
        if (project)
        {
            DivideBySquares(first, end, along);
            for (int tile = 0; tile < tiles.Tiles; tile++) ProjectedDecoder(worker, tile, first, end, along, squares, adam);
        }
        for (int j = first; j < end; j++) AdamKernel<VTile>.Scale(dModel, rows.WDec.P + (long)j * dModel, 1 / MathF.Sqrt(squares[j - first]));
        float* sums = encoderSums.Pointer + (long)chunk * dModel;
        new Span<float>(sums, dModel).Clear();
        for (int tile = 0; tile < tiles.Tiles; tile++) Encoder(worker, tile, first, end, bias, sums, adam);
        for (int j = first; j < end; j++) AdamKernel<VTile>.Move(ref rows.BEnc.P[j], ref rows.BEnc.M[j], ref rows.BEnc.V[j], bias[j - first], adam);
    }

    private void Dots(int tile, int first, int end)
    {
        float* residual = tiles.Residual(tile);
        for (int j = first; j < end; j++)
            if (active.Counts[j] is > 0 and int entries)
                TileKernel<VTile>.Dot(entries, active.Tokens + active.Offsets[j], Row(rows.WDec.P, j, tile), residual, active.Gradients + active.Offsets[j], tile == 0);
    }

    private void DotsAndDecoder(int worker, int tile, int first, int end, float* squares, in AdamNumbers adam)
    {
        float* residual = tiles.Residual(tile), gradient = gradients.Pointer + worker * tiles.TileColumns;
        for (int j = first; j < end; j++)
        {
            FetchAhead(rows.WDec, j, end, tile);
            int entries = active.Counts[j];
            long at = active.Offsets[j];
            float* w = Row(rows.WDec.P, j, tile);
            if (entries > 0)
                TileKernel<VTile>.DotAndGradient(entries, active.Tokens + at, active.Values + at, w, residual, active.Gradients + at, tile == 0, gradient);
            squares[j - first] += AdamKernel<VTile>.Move(tiles.TileColumns, w, Row(rows.WDec.M, j, tile), Row(rows.WDec.V, j, tile),
                entries > 0 ? gradient : zeros.Pointer, 0, adam);
        }
    }

    private void ProjectedDecoder(int worker, int tile, int first, int end, float* along, float* squares, in AdamNumbers adam)
    {
        float* residual = tiles.Residual(tile), gradient = gradients.Pointer + worker * tiles.TileColumns;
        for (int j = first; j < end; j++)
        {
            FetchAhead(rows.WDec, j, end, tile);
            int entries = active.Counts[j];
            long at = active.Offsets[j];
            if (entries > 0) TileKernel<VTile>.Gradient(entries, active.Tokens + at, active.Values + at, residual, gradient);
            squares[j - first] += AdamKernel<VTile>.Move(tiles.TileColumns, Row(rows.WDec.P, j, tile), Row(rows.WDec.M, j, tile), Row(rows.WDec.V, j, tile),
                entries > 0 ? gradient : zeros.Pointer, along[j - first], adam);
        }
    }

    // Adds the L1 term to each entry's gradient. The ReLU's gate needs no work: entries are the open ones.
    private double Gate(int first, int end, float l1, float* along, float* bias)
    {
        double sum = 0;
        for (int j = first; j < end; j++)
        {
            float* f = active.Values + active.Offsets[j], df = active.Gradients + active.Offsets[j];
            float values = 0, products = 0, gradients = 0;
            for (int i = 0; i < active.Counts[j]; i++)
            {
                values += f[i];
                products += f[i] * df[i];
                df[i] += l1;
                gradients += df[i];
            }
            (along[j - first], bias[j - first], latentSums.Pointer[j]) = (products, gradients, values);
            sum += values;
        }
        return sum;
    }

    // <gradient, row> becomes <gradient, row> / |row|²; rows have unit norm but for the first step's.
    private void DivideBySquares(int first, int end, float* along)
    {
        for (int j = first; j < end; j++)
        {
            var sum = VTile.Zero;
            float* w = rows.WDec.P + (long)j * dModel;
            for (int k = 0; k < dModel; k += VTile.Count) sum = VTile.MultiplyAdd(VTile.Load(w + k), VTile.Load(w + k), sum);
            along[j - first] /= VTile.Sum(sum);
        }
    }

    private void Encoder(int worker, int tile, int first, int end, float* bias, float* sums, in AdamNumbers adam)
    {
        float* centred = tiles.Centred(tile), gradient = gradients.Pointer + worker * tiles.TileColumns;
        for (int j = first; j < end; j++)
        {
            FetchAhead(rows.WEnc, j, end, tile);
            int entries = active.Counts[j];
            long at = active.Offsets[j];
            if (entries > 0) TileKernel<VTile>.Gradient(entries, active.Tokens + at, active.Gradients + at, centred, gradient);
            AdamKernel<VTile>.MoveAndSum(tiles.TileColumns, Row(rows.WEnc.P, j, tile), Row(rows.WEnc.M, j, tile), Row(rows.WEnc.V, j, tile),
                entries > 0 ? gradient : zeros.Pointer, bias[j - first], sums + tile * tiles.TileColumns, adam);
        }
    }

    // b_dec is in xHat and, with the other sign, in every pre-activation: ∂b_dec = Σ ∂xHat - Σ ∂b_enc W_enc.
    private void MoveDecoderBias(in AdamNumbers adam)
    {
        for (int k = 0; k < dModel; k++)
        {
            float gradient = residualSums.Pointer[k];
            for (int chunk = 0; chunk < Chunks; chunk++) gradient -= encoderSums.Pointer[(long)chunk * dModel + k];
            AdamKernel<VTile>.Move(ref rows.BDec.P[k], ref rows.BDec.M[k], ref rows.BDec.V[k], gradient, adam);
        }
    }

    // Rows of a tile are d_model apart, which the processor's own guesses do not follow.
    private void FetchAhead(AdamPointers matrix, int latent, int end, int tile)
    {
        if (latent + AheadLatents >= end) return;
        Prefetch.ToFirstLevel(Row(matrix.P, latent + AheadLatents, tile), tiles.TileColumns);
        Prefetch.ToFirstLevel(Row(matrix.M, latent + AheadLatents, tile), tiles.TileColumns);
        Prefetch.ToFirstLevel(Row(matrix.V, latent + AheadLatents, tile), tiles.TileColumns);
    }

    private float* Row(float* matrix, int latent, int tile) => matrix + (long)latent * dModel + tile * tiles.TileColumns;
}
