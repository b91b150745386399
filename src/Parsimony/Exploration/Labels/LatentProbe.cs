using Parsimony.Autoencoders;
using Parsimony.Models;
using Parsimony.Tokens;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Exploration.Labels;

/// <summary>Measures one latent on texts of its own making, by running the model as far as the SAE.</summary>
internal sealed class LatentProbe(Transformer model, HookPoint at, ISparseAutoencoder sae)
{
    private const int TokensOfAPass = 1 << 13;

    /// <summary>The latent's activation on the last token of each text.</summary>
    public float[] Last(int latent, IReadOnlyList<int[]> texts) => Run(texts, (x, lengths) =>
    {
        var last = tensor(lengths.Select(n => n - 1L).ToArray()).to(x.device).view(-1, 1, 1).expand(-1, 1, x.size(2));
        return Numbers(sae.Encode(x.gather(1, last)[.., 0])[.., latent]); // [texts]
    });

    /// <summary>The latent's activations on all tokens of each text.</summary>
    public float[][] All(int latent, IReadOnlyList<int[]> texts) => Run<float[]>(texts, (x, lengths) =>
    {
        int width = (int)x.size(1);
        float[] all = Numbers(sae.Encode(x)[.., .., latent]); // [texts, seq]
        return [.. lengths.Select((n, row) => all[(row * width)..(row * width + n)])];
    });

    private T[] Run<T>(IReadOnlyList<int[]> texts, Func<Tensor, int[], T[]> read)
    {
        using var noGradient = no_grad();
        var results = new T[texts.Count];
        // Texts of about one length together, filled up behind their ends: no token looks ahead.
        int[] order = [.. Enumerable.Range(0, texts.Count).OrderBy(i => texts[i].Length)];
        for (int start = 0, end; start < order.Length; start = end)
        {
            for (end = start + 1; end < order.Length && (end + 1 - start) * texts[order[end]].Length <= TokensOfAPass; end++) { }
            using var scope = NewDisposeScope();
            int[] rows = order[start..end], lengths = [.. rows.Select(i => texts[i].Length)];
            var tokens = ContextPacker.ToTensor([.. rows.Select(i => (int[])[.. texts[i], .. Enumerable.Repeat(texts[i][^1], lengths[^1] - texts[i].Length)])]);
            var found = read(model.Activations(at, tokens), lengths);
            for (int i = 0; i < rows.Length; i++) results[rows[i]] = found[i];
        }
        return results;
    }

    private static float[] Numbers(Tensor x) => x.cpu().contiguous().data<float>().ToArray();
}
