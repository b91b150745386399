using Parsimony.Exploration.Index;
using Parsimony.Models;
using Parsimony.Splicing;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Explorer.Model;

/// <summary>By what the latents of a token are lined up.</summary>
public enum PromptRank
{
    /// <summary>Activation times length of the decoder row: how far the latent moves the layer's output.</summary>
    Strength,

    /// <summary>Activation.</summary>
    Activation,

    /// <summary>Activation / its largest on the index's text: latents that are always on do not fill the list.</summary>
    Relative,
}

/// <summary>A latent that fires on a token.</summary>
/// <param name="Latent">Its index.</param>
/// <param name="Activation">Its activation.</param>
/// <param name="Rank">What it is lined up by.</param>
public readonly record struct FiringLatent(int Latent, float Activation, float Rank);

/// <summary>A token that may come next.</summary>
/// <param name="Id">Its id.</param>
/// <param name="P">Its probability.</param>
/// <param name="PWithout">The same with the chosen latent at 0 on every token of the prompt; null where none was chosen.</param>
public readonly record struct NextToken(int Id, double P, double? PWithout);

/// <summary>A latent over a whole prompt.</summary>
/// <param name="Latent">Its index.</param>
/// <param name="Activations">On each token.</param>
public sealed record PromptLatent(int Latent, float[] Activations);

/// <summary>What an SAE sees in a text, and what comes next.</summary>
public sealed record PromptAnalysis
{
    /// <summary>Tokens of a prompt at most, however long the model's contexts may be: what a page can show.</summary>
    public const int MostTokens = 512;

    /// <summary>Token ids of the text.</summary>
    public required int[] Ids { get; init; }

    /// <summary>Latents that fire on each token: how many.</summary>
    public required int[] Active { get; init; }

    /// <summary>Those of each token that come first, strongest first.</summary>
    public required FiringLatent[][] Tokens { get; init; }

    /// <summary>The latents that come first on any token of the prompt, in the order of the token they are strongest on.</summary>
    public required PromptLatent[] Latents { get; init; }

    /// <summary>The most likely next tokens.</summary>
    public required NextToken[] Next { get; init; }

    /// <summary>KL(with the chosen latent || without it) of the next token, nats; null where none was chosen.</summary>
    public double? KlWithout { get; init; }

    /// <summary>Token ids of a text that is shown whole.</summary>
    /// <exception cref="ArgumentException">It is longer than can be shown, or than the model's contexts.</exception>
    public static int[] Encode(Workbench bench, string text)
    {
        int[] ids = bench.Tokenizer.EncodePrompt(text);
        int most = Math.Min(MostTokens, bench.Model.Config.MaxSequenceLength);
        return ids.Length <= most ? ids : throw new ArgumentException($"the text has {ids.Length} tokens; {most} can be shown{(most < MostTokens ? ", the model's context" : "")}. Shorten it.");
    }

    /// <summary>Looks at a text. One pass, and the rest of a second where a latent is to be left out.</summary>
    /// <param name="bench">Model and SAE; call on the model's thread, in a dispose scope.</param>
    /// <param name="index">The index, for <see cref="PromptRank.Relative"/>; null: activations are not scaled.</param>
    /// <param name="ids">Token ids, one or more.</param>
    /// <param name="rank">By what latents are lined up.</param>
    /// <param name="without">A latent to leave out; null: none.</param>
    /// <param name="perToken">Latents of each token.</param>
    /// <param name="overall">Latents of the whole prompt.</param>
    /// <param name="next">Next tokens.</param>
    public static PromptAnalysis Of(Workbench bench, FeatureIndex? index, int[] ids, PromptRank rank, int? without = null, int perToken = 8, int overall = 16, int next = 10)
    {
        if (without is { } chosen && (uint)chosen >= (uint)bench.Sae.DSae) throw new ArgumentException($"there is no latent {chosen}; this SAE has latents 0 to {bench.Sae.DSae - 1}.");
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        using var state = bench.Model.RunTo(bench.At, tensor(ids.Select(id => (long)id).ToArray()).unsqueeze(0));
        var f = bench.Sae.Encode(state.Activation[0].to(bench.Sae.WDec.dtype)).to(ScalarType.Float32).cpu(); // [seq, d_sae]
        var ranks = rank switch
        {
            PromptRank.Strength => f * tensor(bench.RowNorms),
            PromptRank.Relative when index is not null => f / tensor(index.Max.ToArray()).clamp_min(1e-6f),
            _ => f,
        };
        int k = Math.Min(perToken, bench.Sae.DSae);
        var (values, latents) = ranks.topk(k, -1);                                                       // [seq, k]
        float[] rankOf = values.contiguous().data<float>().ToArray(), activations = f.gather(-1, latents).contiguous().data<float>().ToArray();
        long[] latentOf = latents.contiguous().data<long>().ToArray();
        var tokens = new FiringLatent[ids.Length][];
        for (int t = 0; t < ids.Length; t++)
            tokens[t] = [.. Enumerable.Range(t * k, k).Where(i => activations[i] > 0).Select(i => new FiringLatent((int)latentOf[i], activations[i], rankOf[i]))];

        var (best, at) = ranks.max(0);                                                                   // [d_sae]
        var (_, strongest) = best.topk(Math.Min(overall, bench.Sae.DSae));
        float[] bests = best.data<float>().ToArray();
        long[] places = at.data<long>().ToArray();
        int[] shown = [.. strongest.data<long>().ToArray().Select(i => (int)i).Where(i => bests[i] > 0).OrderBy(i => places[i]).ThenByDescending(i => bests[i])];
        if (without is { } left && !shown.Contains(left)) shown = [.. shown, left];
        var rows = shown.Select(i => new PromptLatent(i, f.select(1, i).contiguous().data<float>().ToArray())).ToArray();

        Tensor LogProbs(Tap? tap) => bench.Model.Unembed(bench.Model.ResidualFrom(state, tap).narrow(1, ids.Length - 1, 1)).reshape(-1).to(ScalarType.Float32).log_softmax(-1).cpu();
        var with = LogProbs(null);
        var out1 = without is { } gone ? LogProbs(Taps.Clamp(bench.At, bench.Sae, gone, 0)) : null;
        var (p, id) = with.topk(next);
        float[] logP = p.data<float>().ToArray(), logQ = out1 is null ? [] : out1.index_select(0, id).data<float>().ToArray();
        return new PromptAnalysis
        {
            Ids = ids,
            Active = [.. f.gt(0).sum(-1).data<long>().ToArray().Select(n => (int)n)],
            Tokens = tokens,
            Latents = rows,
            Next = [.. id.data<long>().ToArray().Select((token, i) => new NextToken((int)token, Math.Exp(logP[i]), out1 is null ? null : Math.Exp(logQ[i])))],
            KlWithout = out1 is null ? null : (with.exp() * (with - out1)).sum().item<float>(),
        };
    }
}
