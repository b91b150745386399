using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Tools.LanguageModel;

/// <summary>How well a model predicts text it has not seen.</summary>
/// <param name="Tokens">The texts' tokens, one after the other, an end-of-text token before each and at the end.</param>
/// <param name="Bytes">The texts' UTF-8 bytes.</param>
public sealed record HeldOutLoss(int[] Tokens, long Bytes)
{
    /// <summary>
    /// Bits per byte: the sum of -log2 p over all tokens, end-of-text included, over the bytes of the texts. Windows of
    /// <paramref name="sequenceLength"/> predictions do not overlap, so a window's first tokens see little context.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="sequenceLength">Predictions a window.</param>
    /// <param name="every">Take every n-th window only (an estimate); 1 for all.</param>
    public double BitsPerByte(Transformer model, int sequenceLength, int every = 1)
    {
        using var nograd = no_grad();
        double nats = 0;
        long predicted = 0;
        for (int start = 0; start + 1 < Tokens.Length; start += sequenceLength * every)
        {
            using var scope = NewDisposeScope();
            int length = Math.Min(sequenceLength, Tokens.Length - 1 - start);
            var window = tensor(Tokens.Skip(start).Take(length + 1).Select(id => (long)id).ToArray());
            var logits = model.Forward(window.narrow(0, 0, length).unsqueeze(0))[0];
            nats += nn.functional.cross_entropy(logits, window.narrow(0, 1, length), reduction: nn.Reduction.Sum).item<float>();
            predicted += length;
        }
        return nats / Math.Log(2) / Bytes * ((Tokens.Length - 1) / (double)predicted);
    }
}
