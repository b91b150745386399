using Parsimony.Autoencoders;
using Parsimony.Models;
using Parsimony.Tokens;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Exploration;

/// <summary>The one pass over a text that all of exploration makes: contexts to latents, a batch at a time, without gradients.</summary>
internal static class LatentBatches
{
    /// <summary>Calls <paramref name="read"/> with the latents <c>[batch, seq, d_sae]</c> and the tokens <c>[batch, seq]</c> of each batch.</summary>
    /// <remarks>The tensors are gone after the call.</remarks>
    public static void Each(
        Transformer model, HookPoint at, ISparseAutoencoder sae, IReadOnlyList<int[]> contexts, int batchContexts,
        Action<Tensor, Tensor> read, IProgress<long>? tokensDone, CancellationToken cancellation)
    {
        if (contexts.Count == 0) throw new ArgumentException("There are no contexts to look through; at least one is needed.");
        if (model.Width(at.Site) != sae.DModel) throw new ArgumentException(
            $"the SAE is {sae.DModel} wide; {at} of this model is {model.Width(at.Site)} wide. Use the SAE of this hook point.");
        using var noGradient = no_grad();
        for (int first = 0; first < contexts.Count; first += batchContexts)
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var batch = contexts.Skip(first).Take(batchContexts).ToArray();
            var tokens = ContextPacker.ToTensor(batch);
            read(sae.Encode(model.Activations(at, tokens)), tokens);
            tokensDone?.Report((long)(first + batch.Length) * batch[0].Length);
        }
    }
}
