namespace Parsimony.Training.Kernels;

/// <summary>
/// The backward pass of chunks of latents: both rows' gradients, built in registers a tile at a time, and consumed at once by Adam; then the decoder row's norm. Every
/// latent's rows are visited once, twice where all gradients' norm must be known first.
/// </summary>
internal sealed unsafe class BackwardKernel<V> : IDisposable
    where V : struct, ILanes<V>
{
    private const int ChunkLatents = 512, AheadLatents = 4;
    private readonly TokenTiles tiles;
    private readonly ActiveEntries active;
    private readonly LatentRows rows;
    private readonly ISparseRule rule;
    private readonly AdamPointers[] parameters; // as the rule's
    private readonly DecoderConstraint constraint;
    private readonly int dModel, dSae;
    private readonly byte[] groups;             // by latent: the nested reconstruction that it begins in
    private readonly float[] along, product;    // by latent
    private readonly NativeArray<float> zeros, gradients;            // [tile columns]; two by worker
    private readonly NativeArray<float> fires, sums, encoderSums;    // [d_sae] twice; [chunk][d_model]
    private readonly double[] sparsity, squares;                     // by chunk

    public BackwardKernel(TokenTiles tiles, ActiveEntries active, LatentRows rows, ISparseRule rule, DecoderConstraint constraint, int workers)
    {
        (this.tiles, this.active, this.rows, this.rule, this.constraint) = (tiles, active, rows, rule, constraint);
        (dModel, dSae, parameters) = (tiles.DModel, active.DSae, [.. rule.Parameters.Select(p => p.Learned.Pointers())]);
        groups = new byte[dSae];
        if (rule.IsNested)
            for (int r = 0; r < rule.Reconstructions.Count; r++) groups.AsSpan(rule.Reconstructions[r].Start, rule.Reconstructions[r].Count).Fill(checked((byte)r));
        (along, product, sparsity, squares) = (new float[dSae], new float[dSae], new double[Chunks], new double[Chunks]);
        zeros = new NativeArray<float>(tiles.TileColumns).Cleared();
        gradients = new NativeArray<float>((long)workers * 2 * tiles.TileColumns);
        (fires, sums, encoderSums) = (new(dSae), new(dSae), new((long)Chunks * dModel));
    }

    /// <summary>Number of tasks.</summary>
    public int Chunks => (dSae + ChunkLatents - 1) / ChunkLatents;

    /// <summary>On how many tokens each latent fired, <c>[d_sae]</c>.</summary>
    public float* Fires => fires.Pointer;

    /// <summary>Each latent's sum over the batch, <c>[d_sae]</c>.</summary>
    public float* Sums => sums.Pointer;

    /// <summary>The step's gradients from outside the entries.</summary>
    public ExtraRows? Extra { get; set; }

    /// <summary>The rule's sparsity term, times the batch.</summary>
    public double Sparsity => sparsity.Sum();

    /// <summary>The squared norm of all latents' gradients, after <see cref="Measure"/>.</summary>
    public double Squares => squares.Sum();

    /// <summary>Σ over latents of <c>product W_enc</c> in one column, with W_enc as it was before the update.</summary>
    public float EncoderSum(int column)
    {
        float sum = 0;
        for (int chunk = 0; chunk < Chunks; chunk++) sum += encoderSums.Pointer[(long)chunk * dModel + column];
        return sum;
    }

    private bool Projects => constraint == DecoderConstraint.ProjectAndRenormalise;

    // Whether a decoder row may move tile by tile, while the gradients at its values are still being summed up.
    private bool MovesAtOnce => !Projects && !rule.WeighsByNorms && rule.Planes < EntryPlanes.InputAndSecond;

    /// <summary>All of one chunk's latents.</summary>
    /// <param name="worker">Whose scratch memory.</param>
    /// <param name="chunk">0 to <see cref="Chunks"/> - 1.</param>
    /// <param name="adam">The step's numbers.</param>
    public void Run(int worker, int chunk, in AdamNumbers adam)
    {
        var (first, end) = Range(chunk);
        float* rowSquares = stackalloc float[ChunkLatents];
        new Span<float>(rowSquares, ChunkLatents).Clear();
        if (MovesAtOnce)
        {
            for (int tile = 0; tile < tiles.Tiles; tile++) DotsAndDecoder(worker, tile, first, end, rowSquares, adam);
            Gate(chunk);
        }
        else
        {
            Dots(chunk);
            Gate(chunk);
            for (int tile = 0; tile < tiles.Tiles; tile++) Decoder(worker, tile, first, end, rowSquares, adam);
        }
        Finish(worker, chunk, rowSquares, adam);
    }

    /// <summary>The first half of it, without the update: gradients at the values, and what the latents' gradients measure.</summary>
    public void Measure(int worker, int chunk)
    {
        var (first, end) = Range(chunk);
        Dots(chunk);
        Gate(chunk);
        double sum = 0;
        float* encoderSum = encoderSums.Pointer + (long)chunk * dModel;
        new Span<float>(encoderSum, dModel).Clear();
        for (int tile = 0; tile < tiles.Tiles; tile++)
            for (int j = first; j < end; j++)
            {
                float* decoder = DecoderGradient(worker, tile, j);
                if (decoder != null) sum += AdamKernel<V>.Squares(tiles.TileColumns, decoder, Row(rows.WDec.P, j, tile), along[j]);
                float* encoder = EncoderGradient(worker, tile, j);
                if (encoder != null) sum += AdamKernel<V>.SquaresAndSum(tiles.TileColumns, encoder, Row(rows.WEnc.P, j, tile), product[j], encoderSum + tile * tiles.TileColumns);
            }
        foreach (var parameter in rule.Parameters)
            for (int j = first; j < end; j++) sum += (double)parameter.Gradients[j] * parameter.Gradients[j];
        squares[chunk] = sum;
    }

    /// <summary>The second half: the update.</summary>
    public void Move(int worker, int chunk, in AdamNumbers adam)
    {
        var (first, end) = Range(chunk);
        float* rowSquares = stackalloc float[ChunkLatents];
        new Span<float>(rowSquares, ChunkLatents).Clear();
        for (int tile = 0; tile < tiles.Tiles; tile++) Decoder(worker, tile, first, end, rowSquares, adam);
        Finish(worker, chunk, rowSquares, adam);
    }

    private (int First, int End) Range(int chunk) => (chunk * ChunkLatents, Math.Min(dSae, (chunk + 1) * ChunkLatents));

    private void Dots(int chunk)
    {
        var (first, end) = Range(chunk);
        bool second = rule.Planes == EntryPlanes.InputAndSecond;
        for (int tile = 0; tile < tiles.Tiles; tile++)
            for (int j = first; j < end; j++)
                if (active.Counts[j] is > 0 and int entries)
                {
                    long at = active.Offsets[j];
                    float* w = Row(rows.WDec.P, j, tile);
                    TileKernel<V>.Dot(entries, active.Tokens + at, w, tiles.Residual(tile, groups[j]), active.Gradients + at, tile == 0);
                    if (second) TileKernel<V>.Dot(entries, active.Tokens + at, w, tiles.Residual(tile, 1), active.SecondGradients + at, tile == 0);
                }
    }

    private void DotsAndDecoder(int worker, int tile, int first, int end, float* rowSquares, in AdamNumbers adam)
    {
        float* gradient = gradients.Pointer + worker * 2 * tiles.TileColumns;
        for (int j = first; j < end; j++)
        {
            FetchAhead(rows.WDec, j, end, tile);
            int entries = active.Counts[j];
            long at = active.Offsets[j];
            float* w = Row(rows.WDec.P, j, tile), from = gradient;
            if (entries > 0)
                TileKernel<V>.DotAndGradient(entries, active.Tokens + at, active.Values + at, w, tiles.Residual(tile, groups[j]), active.Gradients + at, tile == 0, gradient);
            else
                from = DecoderGradient(worker, tile, j);
            rowSquares[j - first] += AdamKernel<V>.Move(tiles.TileColumns, w, Row(rows.WDec.M, j, tile), Row(rows.WDec.V, j, tile),
                from != null ? from : zeros.Pointer, 0, adam);
        }
    }

    private void Decoder(int worker, int tile, int first, int end, float* rowSquares, in AdamNumbers adam)
    {
        for (int j = first; j < end; j++)
        {
            FetchAhead(rows.WDec, j, end, tile);
            float* gradient = DecoderGradient(worker, tile, j);
            rowSquares[j - first] += AdamKernel<V>.Move(tiles.TileColumns, Row(rows.WDec.P, j, tile), Row(rows.WDec.M, j, tile), Row(rows.WDec.V, j, tile),
                gradient != null ? gradient : zeros.Pointer, along[j], adam);
        }
    }

    private void Encoder(int worker, int tile, int first, int end, float* sum, in AdamNumbers adam)
    {
        for (int j = first; j < end; j++)
        {
            FetchAhead(rows.WEnc, j, end, tile);
            float* gradient = EncoderGradient(worker, tile, j);
            AdamKernel<V>.MoveAndSum(tiles.TileColumns, Row(rows.WEnc.P, j, tile), Row(rows.WEnc.M, j, tile), Row(rows.WEnc.V, j, tile),
                gradient != null ? gradient : zeros.Pointer, product[j], sum + tile * tiles.TileColumns, adam);
        }
    }

    // Norms of the rows, W_enc, and what else is the latents'.
    private void Finish(int worker, int chunk, float* rowSquares, in AdamNumbers adam)
    {
        var (first, end) = Range(chunk);
        if (constraint != DecoderConstraint.Free)
            for (int j = first; j < end; j++) AdamKernel<V>.Scale(dModel, rows.WDec.P + (long)j * dModel, 1 / MathF.Sqrt(rowSquares[j - first]));
        float* encoderSum = encoderSums.Pointer + (long)chunk * dModel;
        new Span<float>(encoderSum, dModel).Clear();
        for (int tile = 0; tile < tiles.Tiles; tile++) Encoder(worker, tile, first, end, encoderSum, adam);
        for (int p = 0; p < parameters.Length; p++)
            for (int j = first; j < end; j++)
                AdamKernel<V>.Move(ref parameters[p].P[j], ref parameters[p].M[j], ref parameters[p].V[j], rule.Parameters[p].Gradients[j], adam);
    }

    // From gradients at values to gradients at pre-activations; what is taken off the decoder row's gradient.
    private void Gate(int chunk)
    {
        var (first, end) = Range(chunk);
        double total = 0;
        for (int j = first; j < end; j++)
        {
            float rowSquares = Projects || rule.WeighsByNorms ? AdamKernel<V>.Squares(dModel, rows.WDec.P + (long)j * dModel) : 1;
            var latent = rule.Gate(active, j, rule.WeighsByNorms ? MathF.Sqrt(rowSquares) : 1);
            (product[j], fires.Pointer[j], sums.Pointer[j]) = (latent.Product, latent.Fires, latent.Sum);
            along[j] = (Projects ? latent.Along / rowSquares : 0) - latent.RowWeight;
            total += latent.Sparsity;
        }
        sparsity[chunk] = total;
    }

    // Of one tile, in the worker's scratch memory or in extra rows; null: zero.
    private float* DecoderGradient(int worker, int tile, int latent)
    {
        int entries = active.Counts[latent];
        if (entries == 0) return Extra == null || Extra.WDec(latent) is var extra && extra == null ? null : extra + tile * tiles.TileColumns;
        float* gradient = gradients.Pointer + worker * 2 * tiles.TileColumns;
        long at = active.Offsets[latent];
        TileKernel<V>.Gradient(entries, active.Tokens + at, active.Values + at, tiles.Residual(tile, groups[latent]), gradient);
        if (rule.Planes == EntryPlanes.InputAndSecond && rule.Reconstructions[1].TeachesDecoder)
        {
            float* second = gradient + tiles.TileColumns;
            TileKernel<V>.Gradient(entries, active.Tokens + at, active.Seconds + at, tiles.Residual(tile, 1), second);
            for (int k = 0; k < tiles.TileColumns; k += V.Count) V.Add(V.Load(gradient + k), V.Load(second + k)).Store(gradient + k);
        }
        return gradient;
    }

    private float* EncoderGradient(int worker, int tile, int latent)
    {
        int entries = active.Counts[latent];
        if (entries == 0) return Extra == null || Extra.WEnc(latent) is var extra && extra == null ? null : extra + tile * tiles.TileColumns;
        float* gradient = gradients.Pointer + worker * 2 * tiles.TileColumns;
        long at = active.Offsets[latent];
        TileKernel<V>.Gradient(entries, active.Tokens + at, active.Gradients + at, tiles.Input(tile), gradient);
        return gradient;
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
        foreach (IDisposable part in (IDisposable[])[zeros, gradients, fires, sums, encoderSums]) part.Dispose();
    }
}
