using System.Runtime.CompilerServices;

namespace Parsimony.Training.Kernels;

/// <summary>
/// The sparse products on one tile: <see cref="Columns"/> columns of d_model, eight registers, so that a latent's gradient is built in registers and its
/// weights are read once.
/// </summary>
internal static unsafe class TileKernel<V>
    where V : struct, ILanes<V>
{
    /// <summary>Columns of a tile: 32, 64 or 128.</summary>
    public static int Columns => 8 * V.Count;

    /// <summary>Decode: <c>xHat[token] += f w</c> for the entries of one latent.</summary>
    /// <param name="entries">How many.</param>
    /// <param name="tokens">Their tokens.</param>
    /// <param name="f">Their values.</param>
    /// <param name="w">The latent's decoder row in this tile.</param>
    /// <param name="xHat"><c>[batch][columns]</c>.</param>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void Decode(int entries, ushort* tokens, float* f, float* w, float* xHat)
    {
        int n = V.Count;
        V w0 = V.Load(w), w1 = V.Load(w + n), w2 = V.Load(w + 2 * n), w3 = V.Load(w + 3 * n), w4 = V.Load(w + 4 * n), w5 = V.Load(w + 5 * n), w6 = V.Load(w + 6 * n), w7 = V.Load(w + 7 * n);
        for (int i = 0; i < entries; i++)
        {
            var value = V.Broadcast(f[i]);
            float* to = xHat + (nint)tokens[i] * 8 * n;
            V.MultiplyAdd(value, w0, V.Load(to)).Store(to);
            V.MultiplyAdd(value, w1, V.Load(to + n)).Store(to + n);
            V.MultiplyAdd(value, w2, V.Load(to + 2 * n)).Store(to + 2 * n);
            V.MultiplyAdd(value, w3, V.Load(to + 3 * n)).Store(to + 3 * n);
            V.MultiplyAdd(value, w4, V.Load(to + 4 * n)).Store(to + 4 * n);
            V.MultiplyAdd(value, w5, V.Load(to + 5 * n)).Store(to + 5 * n);
            V.MultiplyAdd(value, w6, V.Load(to + 6 * n)).Store(to + 6 * n);
            V.MultiplyAdd(value, w7, V.Load(to + 7 * n)).Store(to + 7 * n);
        }
    }

    /// <summary>Both things that the residual gives one latent: <c>df[i] += &lt;residual[token_i], w&gt;</c> and <c>gradient = Σ f_i residual[token_i]</c>.</summary>
    /// <param name="entries">How many, 1 or more.</param>
    /// <param name="tokens">Their tokens.</param>
    /// <param name="f">Their values.</param>
    /// <param name="w">The latent's decoder row in this tile.</param>
    /// <param name="residual"><c>[batch][columns]</c>.</param>
    /// <param name="df">Their gradients; set when <paramref name="first"/>, else added to.</param>
    /// <param name="first">True at the first tile.</param>
    /// <param name="gradient">The row's gradient in this tile, written.</param>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void DotAndGradient(int entries, ushort* tokens, float* f, float* w, float* residual, float* df, bool first, float* gradient)
    {
        int n = V.Count;
        V g0 = V.Zero, g1 = V.Zero, g2 = V.Zero, g3 = V.Zero, g4 = V.Zero, g5 = V.Zero, g6 = V.Zero, g7 = V.Zero;
        for (int i = 0; i < entries; i++)
        {
            var value = V.Broadcast(f[i]);
            float* from = residual + (nint)tokens[i] * 8 * n;
            V even, odd, r = V.Load(from);
            (even, g0) = (V.Multiply(r, V.Load(w)), V.MultiplyAdd(r, value, g0));
            r = V.Load(from + n);
            (odd, g1) = (V.Multiply(r, V.Load(w + n)), V.MultiplyAdd(r, value, g1));
            r = V.Load(from + 2 * n);
            (even, g2) = (V.MultiplyAdd(r, V.Load(w + 2 * n), even), V.MultiplyAdd(r, value, g2));
            r = V.Load(from + 3 * n);
            (odd, g3) = (V.MultiplyAdd(r, V.Load(w + 3 * n), odd), V.MultiplyAdd(r, value, g3));
            r = V.Load(from + 4 * n);
            (even, g4) = (V.MultiplyAdd(r, V.Load(w + 4 * n), even), V.MultiplyAdd(r, value, g4));
            r = V.Load(from + 5 * n);
            (odd, g5) = (V.MultiplyAdd(r, V.Load(w + 5 * n), odd), V.MultiplyAdd(r, value, g5));
            r = V.Load(from + 6 * n);
            (even, g6) = (V.MultiplyAdd(r, V.Load(w + 6 * n), even), V.MultiplyAdd(r, value, g6));
            r = V.Load(from + 7 * n);
            (odd, g7) = (V.MultiplyAdd(r, V.Load(w + 7 * n), odd), V.MultiplyAdd(r, value, g7));
            float dot = V.Sum(V.Add(even, odd));
            df[i] = first ? dot : df[i] + dot;
        }
        g0.Store(gradient);
        g1.Store(gradient + n);
        g2.Store(gradient + 2 * n);
        g3.Store(gradient + 3 * n);
        g4.Store(gradient + 4 * n);
        g5.Store(gradient + 5 * n);
        g6.Store(gradient + 6 * n);
        g7.Store(gradient + 7 * n);
    }

    /// <summary><c>gradient = Σ f_i rows[token_i]</c>.</summary>
    /// <param name="entries">How many.</param>
    /// <param name="tokens">Their tokens.</param>
    /// <param name="f">Their weights.</param>
    /// <param name="rows"><c>[batch][columns]</c>.</param>
    /// <param name="gradient">The sum, written.</param>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void Gradient(int entries, ushort* tokens, float* f, float* rows, float* gradient)
    {
        int n = V.Count;
        V g0 = V.Zero, g1 = V.Zero, g2 = V.Zero, g3 = V.Zero, g4 = V.Zero, g5 = V.Zero, g6 = V.Zero, g7 = V.Zero;
        for (int i = 0; i < entries; i++)
        {
            var value = V.Broadcast(f[i]);
            float* from = rows + (nint)tokens[i] * 8 * n;
            g0 = V.MultiplyAdd(V.Load(from), value, g0);
            g1 = V.MultiplyAdd(V.Load(from + n), value, g1);
            g2 = V.MultiplyAdd(V.Load(from + 2 * n), value, g2);
            g3 = V.MultiplyAdd(V.Load(from + 3 * n), value, g3);
            g4 = V.MultiplyAdd(V.Load(from + 4 * n), value, g4);
            g5 = V.MultiplyAdd(V.Load(from + 5 * n), value, g5);
            g6 = V.MultiplyAdd(V.Load(from + 6 * n), value, g6);
            g7 = V.MultiplyAdd(V.Load(from + 7 * n), value, g7);
        }
        g0.Store(gradient);
        g1.Store(gradient + n);
        g2.Store(gradient + 2 * n);
        g3.Store(gradient + 3 * n);
        g4.Store(gradient + 4 * n);
        g5.Store(gradient + 5 * n);
        g6.Store(gradient + 6 * n);
        g7.Store(gradient + 7 * n);
    }

    /// <summary><c>df[i] += &lt;residual[token_i], w&gt;</c>, for the variant that must know the whole row's gradient before it moves any of it.</summary>
    /// <param name="entries">How many.</param>
    /// <param name="tokens">Their tokens.</param>
    /// <param name="w">The latent's decoder row in this tile.</param>
    /// <param name="residual"><c>[batch][columns]</c>.</param>
    /// <param name="df">Their gradients; set when <paramref name="first"/>, else added to.</param>
    /// <param name="first">True at the first tile.</param>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void Dot(int entries, ushort* tokens, float* w, float* residual, float* df, bool first)
    {
        int n = V.Count;
        V w0 = V.Load(w), w1 = V.Load(w + n), w2 = V.Load(w + 2 * n), w3 = V.Load(w + 3 * n), w4 = V.Load(w + 4 * n), w5 = V.Load(w + 5 * n), w6 = V.Load(w + 6 * n), w7 = V.Load(w + 7 * n);
        for (int i = 0; i < entries; i++)
        {
            float* from = residual + (nint)tokens[i] * 8 * n;
            V even = V.Multiply(V.Load(from), w0), odd = V.Multiply(V.Load(from + n), w1);
            even = V.MultiplyAdd(V.Load(from + 2 * n), w2, even);
            odd = V.MultiplyAdd(V.Load(from + 3 * n), w3, odd);
            even = V.MultiplyAdd(V.Load(from + 4 * n), w4, even);
            odd = V.MultiplyAdd(V.Load(from + 5 * n), w5, odd);
            even = V.MultiplyAdd(V.Load(from + 6 * n), w6, even);
            odd = V.MultiplyAdd(V.Load(from + 7 * n), w7, odd);
            float dot = V.Sum(V.Add(even, odd));
            df[i] = first ? dot : df[i] + dot;
        }
    }
}
