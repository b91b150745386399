namespace Parsimony.Training;

/// <summary>What a dead latent is replaced with. Its bias becomes zero and its optimiser state is forgotten in every case.</summary>
public enum DeadLatentCure
{
    /// <summary>Nothing is replaced.</summary>
    Never,
    /// <summary>Kaiming uniform weights, as at birth: the article's.</summary>
    Kaiming,
    /// <summary>Toward inputs x that are reconstructed badly, drawn with probability proportional to |e|⁴, the squared loss: decoder row x / |x|, encoder
    /// column the same times 0.2 of the living's mean norm (Bricken et al. 2023).</summary>
    Anthropic,
    /// <summary>The same drawn with probability proportional to |e|, and the encoder column x itself times 0.2 of the mean norm (dictionary_learning).</summary>
    DictionaryLearning,
}
