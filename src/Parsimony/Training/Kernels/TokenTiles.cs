using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
namespace Parsimony.Training.Kernels;

/// <summary>
/// A batch in the two orders that the kernels read: panels for the encoder's product, <c>[panel][d_model][tokens of a panel]</c>, and tiles for the
/// gradients, <c>[tile][token][columns of a tile]</c>, so that what one pass touches lies together.
/// </summary>
internal sealed unsafe class TokenTiles : IDisposable
{
    private readonly NativeArray<float> panels, centred, residual;

    public TokenTiles(int batch, int dModel, int panelTokens, int tileColumns)
    {
        (Batch, DModel, PanelTokens, TileColumns) = (batch, dModel, panelTokens, tileColumns);
        panels = new NativeArray<float>((long)Panels * panelTokens * dModel).Cleared(); // tokens past the batch stay 0
        centred = new NativeArray<float>((long)batch * dModel);
        residual = new NativeArray<float>((long)batch * dModel);
    }

    public int Batch { get; }

    public int DModel { get; }

    public int PanelTokens { get; }

    public int TileColumns { get; }

    public int Panels => (Batch + PanelTokens - 1) / PanelTokens;

    public int Tiles => DModel / TileColumns;

    /// <summary>x - b_dec of one panel, <c>[d_model][panel_tokens]</c>.</summary>
    public float* Panel(int panel) => panels.Pointer + (long)panel * PanelTokens * DModel;

    /// <summary>x - b_dec of one tile, <c>[batch][tile_columns]</c>.</summary>
    public float* Centred(int tile) => centred.Pointer + (long)tile * Batch * TileColumns;

    /// <summary>xHat - x of one tile, times 2 / batch: the gradient of the loss by xHat; <c>[batch][tile_columns]</c>.</summary>
    public float* Residual(int tile) => residual.Pointer + (long)tile * Batch * TileColumns;

    /// <summary>Fills one panel, and its tokens' rows of every tile.</summary>
    /// <param name="panel">Which.</param>
    /// <param name="x">The batch, <c>[batch, d_model]</c>.</param>
    /// <param name="bDec"><c>[d_model]</c>.</param>
    public void Fill(int panel, float* x, float* bDec)
    {
        int first = panel * PanelTokens, tokens = Math.Min(PanelTokens, Batch - first);
        for (int tile = 0; tile < Tiles; tile++)
        {
            float* rows = Centred(tile) + (long)first * TileColumns;
            for (int token = 0; token < tokens; token++)
                Subtract(x + (long)(first + token) * DModel + tile * TileColumns, bDec + tile * TileColumns, rows + token * TileColumns, TileColumns);
            Transpose(rows, tokens, TileColumns, Panel(panel) + (long)tile * TileColumns * PanelTokens, PanelTokens);
        }
    }

    /// <summary>xHat - x of one panel's tokens in the batch's own order.</summary>
    /// <param name="panel">Which.</param>
    /// <param name="to"><c>[batch, d_model]</c>, of which these tokens' rows are written.</param>
    public void CopyResidual(int panel, float* to)
    {
        int first = panel * PanelTokens, end = Math.Min(Batch, first + PanelTokens);
        for (int tile = 0; tile < Tiles; tile++)
            for (int token = first; token < end; token++)
                Multiply(Residual(tile) + (long)token * TileColumns, Batch / 2f, to + (long)token * DModel + tile * TileColumns, TileColumns);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Subtract(float* a, float* b, float* to, int count)
    {
        for (int k = 0; k < count; k += Vector<float>.Count) (Vector.Load(a + k) - Vector.Load(b + k)).Store(to + k);
    }

    private static void Multiply(float* from, float by, float* to, int count)
    {
        for (int k = 0; k < count; k += Vector<float>.Count) (Vector.Load(from + k) * by).Store(to + k);
    }

    // By squares of four columns and four tokens, so that lines are visited few times.
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Transpose(float* rows, int tokens, int columns, float* to, int stride)
    {
        int whole = tokens & ~3;
        for (int k = 0; k < columns; k += 4)
        {
            float* from = rows + k, line = to + (long)k * stride;
            for (int token = 0; token < whole; token += 4, from += 4 * columns)
                for (int i = 0; i < 4; i++)
                    Vector128.Create(from[i], from[i + columns], from[i + 2 * columns], from[i + 3 * columns]).Store(line + token + i * stride);
            for (int token = whole; token < tokens; token++, from += columns)
                for (int i = 0; i < 4; i++) line[token + i * stride] = from[i];
        }
    }

    public void Dispose()
    {
        panels.Dispose();
        centred.Dispose();
        residual.Dispose();
    }
}
