namespace Parsimony.Models;

/// <summary>The MLP's nonlinearity, by Hugging Face's <c>hidden_act</c>.</summary>
public enum MlpActivation
{
    /// <summary><c>gelu</c>: exact, by the error function.</summary>
    Gelu,
    /// <summary><c>gelu_new</c>, <c>gelu_fast</c>, <c>gelu_pytorch_tanh</c>: the tanh approximation.</summary>
    GeluTanh,
    /// <summary><c>relu</c>.</summary>
    Relu,
    /// <summary><c>silu</c> (also called swish).</summary>
    Silu,
}
