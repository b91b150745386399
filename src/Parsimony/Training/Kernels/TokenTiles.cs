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
    private readonly NativeArray<float> panels, input;
    private readonly NativeArray<float>? wanted; // null: the same as the input
    private readonly NativeArray<float>[] residuals;

    /// <param name="batch">Tokens.</param>
    /// <param name="dModel">Width of a token.</param>
    /// <param name="panelTokens">Tokens of a panel.</param>
    /// <param name="tileColumns">Columns of a tile.</param>
    /// <param name="reconstructions">How many residuals there are.</param>
    /// <param name="targetIsInput">Whether what shall come out is what goes in, both less b_dec.</param>
    public TokenTiles(int batch, int dModel, int panelTokens, int tileColumns, int reconstructions, bool targetIsInput)
    {
        (Batch, DModel, PanelTokens, TileColumns) = (batch, dModel, panelTokens, tileColumns);
        panels = new NativeArray<float>((long)Panels * panelTokens * dModel).Cleared(); // tokens past the batch stay 0
        input = new NativeArray<float>((long)batch * dModel);
        if (!targetIsInput) wanted = new NativeArray<float>((long)batch * dModel);
        residuals = [.. Enumerable.Range(0, reconstructions).Select(_ => new NativeArray<float>((long)batch * dModel))];
    }

    public int Batch { get; }

    public int DModel { get; }

    public int PanelTokens { get; }

    public int TileColumns { get; }

    public int Panels => (Batch + PanelTokens - 1) / PanelTokens;

    public int Tiles => DModel / TileColumns;

    /// <summary>What the encoder multiplies, of one panel, <c>[d_model][panel_tokens]</c>.</summary>
    public float* Panel(int panel) => panels.Pointer + (long)panel * PanelTokens * DModel;

    /// <summary>The same of one tile, <c>[batch][tile_columns]</c>.</summary>
    public float* Input(int tile) => input.Pointer + (long)tile * Batch * TileColumns;

    /// <summary>target - b_dec of one tile, <c>[batch][tile_columns]</c>.</summary>
    public float* Wanted(int tile) => (wanted ?? input).Pointer + (long)tile * Batch * TileColumns;

    /// <summary>xHat - target of one tile, times its weight in the loss and 2 / batch: the gradient of the loss by xHat; <c>[batch][tile_columns]</c>.</summary>
    /// <param name="tile">Which.</param>
    /// <param name="reconstruction">Of which xHat.</param>
    public float* Residual(int tile, int reconstruction) => residuals[reconstruction].Pointer + (long)tile * Batch * TileColumns;

    /// <summary>Fills one panel, and its tokens' rows of every tile.</summary>
    /// <param name="panel">Which.</param>
    /// <param name="x">The batch, <c>[batch, d_model]</c>.</param>
    /// <param name="offInput">What is taken off the encoder's input, <c>[d_model]</c>.</param>
    /// <param name="target">What shall come out, <c>[batch, d_model]</c>; not looked at where it is the input.</param>
    /// <param name="bDec"><c>[d_model]</c>.</param>
    public void Fill(int panel, float* x, float* offInput, float* target, float* bDec)
    {
        int first = panel * PanelTokens, tokens = Math.Min(PanelTokens, Batch - first);
        for (int tile = 0; tile < Tiles; tile++)
        {
            long start = (long)first * DModel + tile * TileColumns, row = (long)first * TileColumns;
            Subtract(x + start, offInput + tile * TileColumns, Input(tile) + row, tokens);
            if (wanted is not null) Subtract(target + start, bDec + tile * TileColumns, Wanted(tile) + row, tokens);
            Transpose(Input(tile) + row, tokens, TileColumns, Panel(panel) + (long)tile * TileColumns * PanelTokens, PanelTokens);
        }
    }

    /// <summary>The residual of one panel's tokens in the batch's own order.</summary>
    /// <param name="panel">Which.</param>
    /// <param name="reconstruction">Of which xHat.</param>
    /// <param name="scale">What it is multiplied by.</param>
    /// <param name="to"><c>[batch, d_model]</c>, of which these tokens' rows are written.</param>
    public void CopyResidual(int panel, int reconstruction, float scale, float* to)
    {
        int first = panel * PanelTokens, end = Math.Min(Batch, first + PanelTokens);
        for (int tile = 0; tile < Tiles; tile++)
            for (int token = first; token < end; token++)
                Multiply(Residual(tile, reconstruction) + (long)token * TileColumns, scale, to + (long)token * DModel + tile * TileColumns, TileColumns);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private void Subtract(float* from, float* off, float* to, int tokens)
    {
        for (int token = 0; token < tokens; token++, from += DModel, to += TileColumns)
            for (int k = 0; k < TileColumns; k += Vector<float>.Count) (Vector.Load(from + k) - Vector.Load(off + k)).Store(to + k);
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
        foreach (IDisposable? array in (IDisposable?[])[panels, input, wanted, .. residuals]) array?.Dispose();
    }
}
