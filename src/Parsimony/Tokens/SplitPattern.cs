namespace Parsimony.Tokens;

/// <summary>The patterns by which byte-level tokenizers cut a text, told by the regular expression in their file.</summary>
internal enum SplitPattern
{
    /// <summary>GPT-2, GPT-NeoX, SmolLM: <see cref="PreTokens"/>.</summary>
    Gpt2,
    /// <summary>Llama 3: <see cref="WordPreTokens"/>, numbers in groups of three.</summary>
    Llama3,
    /// <summary>Qwen: <see cref="WordPreTokens"/>, each digit apart.</summary>
    Qwen2,
}
