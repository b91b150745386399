using Parsimony.Models.Storage;

namespace Parsimony.Models;

/// <summary>What a model of some shape takes in memory, by arithmetic. Norms and biases, less than a thousandth, are counted as float32, and as if every family had all of them.</summary>
/// <param name="config">The shape.</param>
/// <param name="storage">How its matrices are kept.</param>
public sealed class ModelSize(IModelConfig config, WeightStorage storage)
{
    /// <summary>Numbers of a layer's matrices.</summary>
    public long LayerParameters => (long)config.DModel * (config.DHead * (2L * config.NHeads + 2L * config.NKvHeads) + (config.GatedMlp ? 3L : 2L) * config.DMlp);

    /// <summary>Bytes of the table of token embeddings, and of positions where they are embedded: two a number in every storage but float32.</summary>
    public long EmbeddingBytes => (config.DVocab + (config.RotaryWidth == 0 ? config.MaxSequenceLength : 0L)) * config.DModel * (storage == WeightStorage.Fp32 ? sizeof(float) : 2);

    /// <summary>Bytes of the matrix that gives the logits.</summary>
    public long UnembeddingBytes => config.TieWordEmbeddings ? EmbeddingBytes : StoredMatrix.Bytes(storage, config.DVocab, config.DModel);

    /// <summary>Bytes of one layer.</summary>
    public long LayerBytes
    {
        get
        {
            long d = config.DModel, mlp = config.DMlp, head = config.DHead;
            long matrices = StoredMatrix.Bytes(storage, head * (config.NHeads + 2L * config.NKvHeads), d) + StoredMatrix.Bytes(storage, d, head * config.NHeads)
                + (config.GatedMlp ? 2 : 1) * StoredMatrix.Bytes(storage, mlp, d) + StoredMatrix.Bytes(storage, d, mlp);
            return matrices + sizeof(float) * (4 * d + head * (config.NHeads + 2L * config.NKvHeads) + d + mlp + d); // two norms, four biases
        }
    }

    /// <summary>Numbers of all matrices and tables.</summary>
    public long Parameters => (config.TieWordEmbeddings ? 1L : 2L) * config.DVocab * config.DModel + config.NLayers * LayerParameters;

    /// <summary>Bytes of the whole model.</summary>
    public long Bytes => EmbeddingBytes + config.NLayers * LayerBytes + UnembeddingBytes;
}
