namespace Parsimony.Training.Kernels;

/// <summary>
/// The backward pass of chunks of latents: both rows' gradients, built in registers a tile at a time, and consumed at once by Adam; then the decoder row's norm. Every
/// latent's rows are visited once.
/// </summary>
internal sealed unsafe class BackwardKernel<V> : IDisposable
    where V : struct, ILanes<V>
{
    private const int ChunkLatents = 512, AheadLatents = 4;
    private readonly TokenTiles tiles;
    private readonly ActiveEntries active;
    private readonly LatentRows rows;
    private readonly int dModel, dSae;
    private readonly NativeArray<float> zeros, gradients;        // [tile columns]; by worker
    private readonly NativeArray<float> latentSums, encoderSums; // [d_sae]; [chunk][d_model]
    private readonly NativeArray<double> l1Sums;                 // [chunk]

    public BackwardKernel(TokenTiles tiles, ActiveEntries active, LatentRows rows, int workers)
    {
        (this.tiles, this.active, this.rows) = (tiles, active, rows);
        (dModel, dSae) = (tiles.DModel, active.DSae);
        zeros = new NativeArray<float>(tiles.TileColumns).Cleared();
        gradients = new NativeArray<float>((long)workers * tiles.TileColumns);
        (latentSums, encoderSums, l1Sums) = (new(dSae), new((long)Chunks * dModel), new(Chunks));
    }

    /// <summary>Number of tasks.</summary>
    public int Chunks => (dSae + ChunkLatents - 1) / ChunkLatents;

    /// <summary>Each latent's sum over the batch, <c>[d_sae]</c>.</summary>
    public float* LatentSums => latentSums.Pointer;

    /// <summary>Sum of all entries, before the update.</summary>
    public double ValueSum()
    {
        double sum = 0;
        for (int chunk = 0; chunk < Chunks; chunk++) sum += l1Sums.Pointer[chunk];
        return sum;
    }

    /// <summary>Σ over latents of <c>∂b_enc W_enc</c> in one column, with W_enc as it was before the update.</summary>
    public float EncoderSum(int column)
    {
        float sum = 0;
        for (int chunk = 0; chunk < Chunks; chunk++) sum += encoderSums.Pointer[(long)chunk * dModel + column];
        return sum;
    }

    /// <summary>All of one chunk's latents.</summary>
    /// <param name="worker">Whose scratch memory.</param>
    /// <param name="chunk">0 to <see cref="Chunks"/> - 1.</param>
    /// <param name="l1">Weight of a latent's value in the loss, coefficient by batch.</param>
    /// <param name="project">Whether a decoder row's gradient loses its part along the row.</param>
    /// <param name="adam">The step's numbers.</param>
    public void Run(int worker, int chunk, float l1, bool project, in AdamNumbers adam)
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
        for (int j = first; j < end; j++) AdamKernel<V>.Scale(dModel, rows.WDec.P + (long)j * dModel, 1 / MathF.Sqrt(squares[j - first]));
        float* sums = encoderSums.Pointer + (long)chunk * dModel;
        new Span<float>(sums, dModel).Clear();
        for (int tile = 0; tile < tiles.Tiles; tile++) Encoder(worker, tile, first, end, bias, sums, adam);
        for (int j = first; j < end; j++) AdamKernel<V>.Move(ref rows.BEnc.P[j], ref rows.BEnc.M[j], ref rows.BEnc.V[j], bias[j - first], adam);
    }

    private void Dots(int tile, int first, int end)
    {
        float* residual = tiles.Residual(tile);
        for (int j = first; j < end; j++)
            if (active.Counts[j] is > 0 and int entries)
                TileKernel<V>.Dot(entries, active.Tokens + active.Offsets[j], Row(rows.WDec.P, j, tile), residual, active.Gradients + active.Offsets[j], tile == 0);
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
                TileKernel<V>.DotAndGradient(entries, active.Tokens + at, active.Values + at, w, residual, active.Gradients + at, tile == 0, gradient);
            squares[j - first] += AdamKernel<V>.Move(tiles.TileColumns, w, Row(rows.WDec.M, j, tile), Row(rows.WDec.V, j, tile),
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
            if (entries > 0) TileKernel<V>.Gradient(entries, active.Tokens + at, active.Values + at, residual, gradient);
            squares[j - first] += AdamKernel<V>.Move(tiles.TileColumns, Row(rows.WDec.P, j, tile), Row(rows.WDec.M, j, tile), Row(rows.WDec.V, j, tile),
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
            var sum = V.Zero;
            float* w = rows.WDec.P + (long)j * dModel;
            for (int k = 0; k < dModel; k += V.Count) sum = V.MultiplyAdd(V.Load(w + k), V.Load(w + k), sum);
            along[j - first] /= V.Sum(sum);
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
            if (entries > 0) TileKernel<V>.Gradient(entries, active.Tokens + at, active.Gradients + at, centred, gradient);
            AdamKernel<V>.MoveAndSum(tiles.TileColumns, Row(rows.WEnc.P, j, tile), Row(rows.WEnc.M, j, tile), Row(rows.WEnc.V, j, tile),
                entries > 0 ? gradient : zeros.Pointer, bias[j - first], sums + tile * tiles.TileColumns, adam);
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

    public void Dispose()
    {
        foreach (IDisposable part in (IDisposable[])[zeros, gradients, latentSums, encoderSums, l1Sums]) part.Dispose();
    }
}
