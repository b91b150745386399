using System.Numerics;
using System.Runtime.CompilerServices;

namespace Parsimony.Training.Kernels;

/// <summary>From pre-activations to entries: first one bit per token and latent, then, once a latent's number is known, tokens and values.</summary>
internal static unsafe class ActiveWriter<V>
    where V : struct, ILanes<V>
{
    /// <summary>Sets bit i of a latent's mask where <c>pre[i] + shift > floor[i]</c>, for one panel of two registers of tokens.</summary>
    /// <param name="pre">Products without bias, a latent's tokens together.</param>
    /// <param name="stride">From one latent to the next.</param>
    /// <param name="shift">Of these latents.</param>
    /// <param name="floors">Of these tokens.</param>
    /// <param name="latents">How many.</param>
    /// <param name="tokens">Tokens of the batch from this panel on; what lies past them is not looked at.</param>
    /// <param name="masks">One mask per latent.</param>
    /// <param name="maskStride">From one latent's mask to the next.</param>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void Compare(float* pre, nint stride, float* shift, float* floors, int latents, int tokens, uint* masks, nint maskStride)
    {
        V lowFloor = V.Load(floors), highFloor = V.Load(floors + V.Count);
        uint inBatch = tokens >= 32 ? uint.MaxValue : (1u << tokens) - 1;
        for (int latent = 0; latent < latents; latent++, pre += stride, masks += maskStride)
        {
            var b = V.Broadcast(shift[latent]);
            uint low = V.Above(V.Add(V.Load(pre), b), lowFloor), high = V.Above(V.Add(V.Load(pre + V.Count), b), highFloor);
            *masks = (low | high << V.Count) & inBatch;
        }
    }

    /// <summary>Writes one latent's entries.</summary>
    /// <param name="active">Where to.</param>
    /// <param name="latent">Which.</param>
    /// <param name="masks">Its masks, one a panel.</param>
    /// <param name="panels">How many.</param>
    /// <param name="pre">Its products without bias in the first panel.</param>
    /// <param name="panelStride">From one panel to the next.</param>
    /// <param name="bias">Its bias.</param>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void Write(ActiveEntries active, int latent, uint* masks, int panels, float* pre, nint panelStride, float bias)
    {
        int count = 0;
        for (int panel = 0; panel < panels; panel++) count += BitOperations.PopCount(masks[panel]);
        long at = active.Reserve(count);
        (active.Counts[latent], active.Offsets[latent]) = (count, at);
        ushort* token = active.Tokens + at;
        float* value = active.Values + at;
        for (int panel = 0; panel < panels; panel++)
            for (uint bits = masks[panel]; bits != 0; bits &= bits - 1)
            {
                int i = BitOperations.TrailingZeroCount(bits);
                *token++ = (ushort)(panel * 2 * V.Count + i);
                *value++ = pre[panel * panelStride + i] + bias;
            }
    }
}
