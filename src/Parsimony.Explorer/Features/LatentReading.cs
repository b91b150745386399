using Parsimony.Explorer.Model;
using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Explorer.Features;

/// <summary>One latent on one text.</summary>
/// <param name="Ids">Token ids.</param>
/// <param name="PreActivations">z on each token.</param>
/// <param name="Activations">f on each token.</param>
public sealed record LatentReading(int[] Ids, float[] PreActivations, float[] Activations)
{
    /// <summary>Reads a text.</summary>
    /// <param name="bench">The model; on its thread.</param>
    /// <param name="latent">The latent.</param>
    /// <param name="text">The text, of one token or more.</param>
    /// <exception cref="ArgumentException">The text is empty or longer than the model's context.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such latent.</exception>
    public static LatentReading Of(Workbench bench, int latent, string text)
    {
        if ((uint)latent >= (uint)bench.Sae.DSae) throw new ArgumentOutOfRangeException(nameof(latent), $"there is no latent {latent}; this SAE has latents 0 to {bench.Sae.DSae - 1}.");
        int[] ids = bench.Tokenizer.EncodeDocument(text);
        if (ids.Length == 0) throw new ArgumentException("the text is empty; write some words.");
        int most = bench.Model.Config.MaxSequenceLength;
        if (ids.Length > most) throw new ArgumentException($"the text has {ids.Length} tokens; this model reads {most} at once. Leave some out.");
        using var scope = NewDisposeScope();
        var z = bench.Sae.PreActivations(bench.Model.Activations(bench.At, tensor(ids.Select(id => (long)id).ToArray()).unsqueeze(0)));
        float[] One(Tensor t) => t[0].select(-1, latent).to(ScalarType.Float32).cpu().contiguous().data<float>().ToArray();
        return new(ids, One(z), One(bench.Sae.Activate(z)));
    }
}
