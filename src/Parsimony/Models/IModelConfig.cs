namespace Parsimony.Models;

/// <summary>The shape of a model, whatever its family, and how the family's weights become the parts that a <see cref="Transformer"/> runs.</summary>
public interface IModelConfig
{
    /// <summary>The family, by Hugging Face's <c>model_type</c>.</summary>
    string ModelType { get; }
    /// <summary>Number of layers.</summary>
    int NLayers { get; }
    /// <summary>Width of the residual stream.</summary>
    int DModel { get; }
    /// <summary>Width of the MLP.</summary>
    int DMlp { get; }
    /// <summary>Attention heads: how many queries a token has.</summary>
    int NHeads { get; }
    /// <summary>How many keys and values a token has; divides <see cref="NHeads"/>, and is equal to it where heads do not share.</summary>
    int NKvHeads { get; }
    /// <summary>Width of one attention head.</summary>
    int DHead { get; }
    /// <summary>Rows of the embedding, padding rows included.</summary>
    int DVocab { get; }
    /// <summary>The longest sequence the model was made for, in tokens.</summary>
    int MaxSequenceLength { get; }
    /// <summary>Whether attention and MLP both read the layer's input.</summary>
    bool ParallelResidual { get; }
    /// <summary>Whether the MLP multiplies its nonlinearity's output by a second projection (SwiGLU, Shazeer 2020).</summary>
    bool GatedMlp { get; }
    /// <summary>Whether the unembedding is the embedding.</summary>
    bool TieWordEmbeddings { get; }
    /// <summary>How many of a head's <see cref="DHead"/> numbers are rotated; 0 where positions are embedded instead.</summary>
    int RotaryWidth { get; }
    /// <summary>Base of the rotary frequencies.</summary>
    double RotaryBase { get; }

    /// <summary>Width of the activation at a site: of the queries, keys and values together, of the mixed values, <see cref="DMlp"/> inside the MLP, else <see cref="DModel"/>.</summary>
    int Width(HookSite site) => site switch
    {
        HookSite.AttnQkv => (NHeads + 2 * NKvHeads) * DHead,
        HookSite.AttnZ => NHeads * DHead,
        HookSite.MlpPre or HookSite.MlpPost => DMlp,
        _ => DModel,
    };

    /// <summary>The order of the rows of the joint query, key and value projection.</summary>
    internal HeadOrder HeadOrder => HeadOrder.ByKind;

    /// <summary>Whether a tensor is a table of which rows are looked up, not a matrix that is multiplied by.</summary>
    internal bool IsTable(string name);

    /// <summary>Whether a matrix is stored <c>[in, out]</c>.</summary>
    internal bool IsTransposed(string name) => false;

    internal Embedding ReadEmbedding(WeightReader weights);
    internal TransformerLayer ReadLayer(WeightReader weights, int layer);
    internal Norm ReadFinalNorm(WeightReader weights);
    internal Projection ReadUnembedding(WeightReader weights);
}
