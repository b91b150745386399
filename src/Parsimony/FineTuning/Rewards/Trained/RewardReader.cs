using Parsimony.Autoencoders;
using Parsimony.Models;
using Parsimony.Splicing;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Rewards.Trained;

/// <summary>Runs the frozen model on texts and reads what a head judges: an activation, or the latents of an SAE there (SARM, arXiv 2508.08746), of the last token or the
/// mean over tokens. Which token is the last is known by length; no id means padding.</summary>
internal sealed class RewardReader
{
    private readonly Transformer model;
    private readonly HookPoint halt;
    private readonly bool norm;
    private readonly ISparseAutoencoder? sae;
    private readonly RewardPooling pooling;

    /// <summary>A reader; model and SAE stay the caller's.</summary>
    /// <exception cref="ArgumentException">The model has no such hook point, or the SAE does not fit it.</exception>
    public RewardReader(Transformer model, HookPoint? at, ISparseAutoencoder? sae, RewardPooling pooling)
    {
        (this.model, this.sae, this.pooling, norm) = (model, sae, pooling, at is null);
        halt = at ?? new HookPoint(model.Config.NLayers - 1, HookSite.ResidPost);
        if (sae is not null) SpliceFit.Ensure(model, at ?? throw new ArgumentException("an SAE needs the hook point whose activation it reads; give one."), sae);
        else if (halt.Layer < 0 || halt.Layer >= model.Config.NLayers) throw new ArgumentException($"{halt} names layer {halt.Layer}; this model has layers 0 to {model.Config.NLayers - 1}.");
        Width = sae?.DSae ?? model.Width(halt.Site);
    }

    /// <summary>How many numbers are read of a text.</summary>
    public int Width { get; }

    /// <summary>Reads texts in one pass.</summary>
    /// <param name="texts">One or more.</param>
    /// <param name="padding">The id behind shorter ones, which no token before it can see.</param>
    /// <returns><c>[n, width]</c>, float32, on the processor, without gradient.</returns>
    public Tensor Read(IReadOnlyList<JudgedText> texts, int padding = 0)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        int longest = texts.Max(t => t.Tokens.Length);
        var ids = new long[texts.Count, longest];
        for (int row = 0; row < texts.Count; row++)
            for (int i = 0; i < longest; i++) ids[row, i] = i < texts[row].Tokens.Length ? texts[row].Tokens[i] : padding;
        var x = model.Activations(halt, tensor(ids));                                                       // [n, seq, width]
        return stack(texts.Select((text, row) => One(x[row], text)), 0).MoveToOuterDisposeScope();
    }

    private Tensor One(Tensor x, JudgedText text)
    {
        int first = pooling is RewardPooling.Last ? text.Tokens.Length - 1 : text.First;
        var judged = x.narrow(0, first, text.Tokens.Length - first);
        var read = sae is not null ? sae.Encode(judged) : norm ? model.FinalNorm(judged) : judged;
        return read.to(ScalarType.Float32).mean([0L]).cpu();
    }
}
