using Parsimony.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>Anthropic's resampling (Bricken et al. 2023) and dictionary_learning's form of it: dead latents are turned toward inputs that are
/// reconstructed badly.</summary>
internal static class BadInputs
{
    private const double NewbornNorm = 0.2;
    private static readonly long[] ModelAxis = [0];

    /// <summary>How likely each token is drawn, up to a factor that all batches share: |e|⁴ (the loss |e|² squared) or, as dictionary_learning, |e|; 0 where the
    /// input or what shall come out is zero.</summary>
    /// <param name="residual"><c>[batch, d_out]</c>.</param>
    /// <param name="x"><c>[batch, d_model]</c>.</param>
    /// <param name="target"><c>[batch, d_out]</c>.</param>
    /// <param name="cure">Which of the two.</param>
    /// <returns><c>[batch]</c> float64, whose range holds any float32 to the fourth.</returns>
    public static Tensor Weights(Tensor residual, Tensor x, Tensor target, DeadLatentCure cure)
    {
        using var scope = NewDisposeScope();
        var e = residual.norm(1).to(ScalarType.Float64);
        var weights = cure == DeadLatentCure.DictionaryLearning ? e : e.pow(4);
        return (weights * (x.norm(1) > 0) * (target.norm(1) > 0)).MoveToOuterDisposeScope();
    }

    /// <summary>New weights toward the drawn tokens: decoder row = target / |target|; encoder column = x, brought to unit norm first where Anthropic says so,
    /// times 0.2 of the mean norm of the living's encoder columns.</summary>
    /// <param name="x">Drawn inputs, <c>[n, d_model]</c>.</param>
    /// <param name="target">What shall come out of them, <c>[n, d_out]</c>.</param>
    /// <param name="livingColumns"><c>[d_model, living]</c>.</param>
    /// <param name="cure">Whose convention.</param>
    /// <returns><c>[d_model, n]</c> and <c>[n, d_out]</c>.</returns>
    public static (Tensor EncoderColumns, Tensor DecoderRows) Toward(Tensor x, Tensor target, Tensor livingColumns, DeadLatentCure cure)
    {
        using var scope = NewDisposeScope();
        var length = livingColumns.shape[1] == 0 ? ones(1, device: x.device) : linalg.vector_norm(livingColumns, dims: ModelAxis).mean();
        var direction = cure == DeadLatentCure.DictionaryLearning ? x : x / x.norm(1, keepdim: true);
        return ((direction.t() * (length * NewbornNorm)).MoveToOuterDisposeScope(), DecoderRow.Renormalise(target.clone()).MoveToOuterDisposeScope());
    }
}
