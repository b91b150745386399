namespace Parsimony.Models;

/// <summary>Bytes of memory of a model that runs up to a layer, by arithmetic on its shape: what <see cref="Transformer.BytesHeld"/> will say.</summary>
/// <param name="Embedding">Of tokens and, where they are embedded, of positions.</param>
/// <param name="Layers">Whole layers, as they are read.</param>
public readonly record struct ModelMemory(long Embedding, long Layers)
{
    /// <summary>The bytes; exact for GPT-NeoX and GPT-2, for the others, which have fewer biases, a little too many.</summary>
    /// <param name="config">The model's shape.</param>
    /// <param name="deepestLayer">The last layer that is run, 0-based.</param>
    /// <param name="storage">How its matrices are kept.</param>
    public static ModelMemory UpTo(IModelConfig config, int deepestLayer, WeightStorage storage = WeightStorage.Fp32)
    {
        long d = config.DModel, queries = (long)config.DHead * config.NHeads, joint = queries + 2L * config.DHead * config.NKvHeads, mlp = config.DMlp;
        List<(long Outputs, long Inputs)> matrices = [(joint, d), (d, queries), (mlp, d), (d, mlp)];
        if (config.GatedMlp) matrices.Add((mlp, d));
        long vectors = matrices.Sum(m => m.Outputs) + 4 * d; // a bias each, gain and bias of two norms
        long rows = config.DVocab + (config.RotaryWidth == 0 ? config.MaxSequenceLength : 0);
        return new ModelMemory(rows * d * (storage == WeightStorage.Fp32 ? sizeof(float) : sizeof(float) / 2),
            (deepestLayer + 1) * (matrices.Sum(m => StoredMatrix.Bytes(storage, m.Outputs, m.Inputs)) + vectors * sizeof(float)));
    }
}
