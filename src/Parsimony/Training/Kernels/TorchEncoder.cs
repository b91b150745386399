using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training.Kernels;

/// <summary>The encoder's product by libtorch, a block of latents at a time, where its library knows the processor better than <see cref="EncoderKernel{V}"/>.</summary>
internal sealed unsafe class TorchEncoder<V> : IEncoderProduct
    where V : struct, ILanes<V>
{
    private const int BlockLatents = 1024, TaskLatents = 64;
    private readonly ThreadTeam team;
    private readonly ActiveEntries active;
    private readonly Tensor wEnc, products;       // [d_sae, d_model], [block, padded batch]
    private readonly Tensor? bDec;                // [d_model]
    private readonly int batch, panels;
    private readonly NativeArray<uint> masks;     // [latent of the block][panel]

    public TorchEncoder(ThreadTeam team, ActiveEntries active, Tensor wEnc, Tensor? bDec, int batch)
    {
        (this.team, this.active, this.wEnc, this.bDec, this.batch) = (team, active, wEnc, bDec, batch);
        panels = (batch + 2 * V.Count - 1) / (2 * V.Count);
        products = zeros(BlockLatents, panels * 2 * V.Count).DetachFromDisposeScope();
        masks = new NativeArray<uint>((long)BlockLatents * panels);
    }

    /// <inheritdoc/>
    public void FindActive(Tensor x, int first, int end, EntryBounds bounds)
    {
        using var scope = NewDisposeScope();
        var input = (bDec is null ? x : x - bDec).t();                                  // [d_model, batch]
        for (int start = first; start < end; start += BlockLatents)
        {
            int latents = Math.Min(BlockLatents, end - start), block = start;
            products.narrow(0, 0, latents).narrow(1, 0, batch).addmm_(wEnc.narrow(0, start, latents), input, 0, 1);
            float* pre = products.Pointer();
            team.Run((latents + TaskLatents - 1) / TaskLatents, (_, task) => Collect(pre, block, task * TaskLatents, Math.Min(latents, (task + 1) * TaskLatents), bounds));
        }
    }

    public void Dispose()
    {
        products.Dispose();
        masks.Dispose();
    }

    private void Collect(float* products, int block, int from, int to, EntryBounds bounds)
    {
        int panelTokens = 2 * V.Count, stride = panels * panelTokens;
        for (int panel = 0; panel < panels; panel++)
            ActiveWriter<V>.Compare(products + (long)from * stride + panel * panelTokens, stride, bounds.Shift + block + from, bounds.Floors + panel * panelTokens, to - from,
                batch - panel * panelTokens, masks.Pointer + (long)from * panels + panel, panels);
        for (int latent = from; latent < to; latent++)
            ActiveWriter<V>.Write(active, block + latent, masks.Pointer + (long)latent * panels, panels, products + (long)latent * stride, panelTokens, bounds.Bias[block + latent]);
    }
}
