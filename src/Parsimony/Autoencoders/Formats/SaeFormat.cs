namespace Parsimony.Autoencoders.Formats;

/// <summary>The layouts in which SAEs are kept, by the project that reads them.</summary>
public enum SaeFormat
{
    /// <summary>SAELens, and this project's own: a folder with <c>cfg.json</c> and <c>sae_weights.safetensors</c>.</summary>
    Saelens,

    /// <summary>dictionary_learning: a folder with <c>ae.pt</c> and <c>config.json</c>.</summary>
    DictionaryLearning,

    /// <summary>sparsify: a folder with <c>cfg.json</c> and <c>sae.safetensors</c>.</summary>
    Sparsify,

    /// <summary>OpenAI's sparse_autoencoder: one <c>.pt</c> file.</summary>
    Openai,

    /// <summary>Gemma Scope: <c>params.npz</c>.</summary>
    GemmaScope,

    /// <summary>A <c>.pt</c> file with <c>W_enc</c>, <c>W_dec</c>, <c>b_enc</c>, <c>b_dec</c> of a ReLU SAE.</summary>
    Plain,
}
