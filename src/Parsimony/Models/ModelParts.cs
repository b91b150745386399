using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>
/// The parts of a model, each read when it is first used. Layers stay in memory as long as the budget lasts; those that it does not hold are streamed: read from the mapped file for
/// each use and let go behind it, while the system fetches the next one.
/// </summary>
/// <param name="config">The model's shape.</param>
/// <param name="source">Where weights are read from; owned.</param>
/// <param name="device">Where they go.</param>
/// <param name="storage">How matrices are kept.</param>
/// <param name="budgetBytes">What weights may take in memory.</param>
internal sealed class ModelParts(IModelConfig config, IWeightSource source, Device device, WeightStorage storage, long budgetBytes) : IDisposable
{
    private readonly (TransformerLayer? Part, WeightReader? Reader)[] layers = new (TransformerLayer?, WeightReader?)[config.NLayers];
    private readonly WeightReader staying = new(source, device, storage);
    private readonly int most = LayersThatStay(config, storage, budgetBytes);
    private Embedding? embedding;
    private Norm? finalNorm;
    private Projection? unembedding;
    private int stay, last;

    /// <summary>Bytes of what stays in memory and was read so far.</summary>
    public long BytesHeld => layers.Sum(l => l.Reader is null ? l.Part?.Bytes ?? 0 : 0) + (embedding?.Bytes ?? 0) + (finalNorm?.Bytes ?? 0) + (unembedding?.Bytes ?? 0);

    /// <summary>Whether not all layers stay in memory.</summary>
    public bool IsStreamed => most < config.NLayers;

    public Embedding Embedding => embedding ??= config.ReadEmbedding(staying);

    public Norm FinalNorm => finalNorm ??= config.ReadFinalNorm(staying);

    public Projection Unembedding => unembedding ??= config.ReadUnembedding(staying);

    /// <summary>A layer to run; <see cref="Done"/> says when it has been.</summary>
    public TransformerLayer Layer(int layer)
    {
        ref var there = ref layers[layer];
        if (there.Part is not null) return there.Part;
        if (stay < most)
        {
            stay++;
            return there.Part = config.ReadLayer(staying, layer);
        }
        there.Reader = new WeightReader(source, device, storage, stays: false);
        return there.Part = config.ReadLayer(there.Reader, layer);
    }

    /// <summary>A layer has been run. If it does not stay, its memory is given back and the next one that way, up or down, is fetched.</summary>
    public void Done(int layer)
    {
        if (layers[layer] is not ({ } part, { } reader)) return;
        if (!is_grad_enabled()) part.Dispose(); // else a backward pass may still need it, and frees it behind itself
        layers[layer].Part = null;
        foreach (string name in reader.Touched) source.Advise(name, isNeeded: false);
        int next = layer + (layer < last ? -1 : 1);
        last = layer;
        if (next >= 0 && next < layers.Length && layers[next].Reader is { } nextReader)
            foreach (string name in nextReader.Touched) source.Advise(name, isNeeded: true);
    }

    private static int LayersThatStay(IModelConfig config, WeightStorage storage, long budgetBytes)
    {
        var size = new ModelSize(config, storage);
        return (int)Math.Clamp((budgetBytes - size.EmbeddingBytes - size.UnembeddingBytes) / size.LayerBytes, 0, config.NLayers);
    }

    public void Dispose()
    {
        foreach (var part in (IDisposable?[])[.. layers.Select(l => l.Part), embedding, finalNorm, unembedding, source]) part?.Dispose();
    }
}
