using Parsimony.Autoencoders;
using Parsimony.FineTuning.Rewards.Trained;
using Parsimony.Models;
using Parsimony.Tests.Tokens;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Rewards.Trained;

public sealed class RewardReaderTests : IDisposable
{
    private static readonly HookPoint At = HookPoint.Parse("blocks.1.resid_post");
    private readonly Transformer model = Some.Model();
    private readonly JudgedText[] texts = [new([3, 0, 5, 0], 1), new([7, 8], 0), new([0, 0, 0, 9, 11, 0], 4)];   // 0 is a token like any other

    private Tensor Alone(JudgedText text, HookPoint at)
    {
        using var row = tensor(text.Tokens.Select(t => (long)t).ToArray()).unsqueeze(0);
        return model.Activations(at, row)[0];
    }

    [Fact]
    public void The_last_token_is_known_by_length_and_what_stands_behind_it_changes_nothing()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var reader = new RewardReader(model, At, null, RewardPooling.Last);
        var read = reader.Read(texts);
        Assert.Equal([3, 16], read.shape);
        foreach (int padding in (int[])[1, 7, 39]) Assert.True(read.SameBits(reader.Read(texts, padding)));
        for (int i = 0; i < texts.Length; i++) Assert.True(read[i].allclose(Alone(texts[i], At)[^1], atol: 1e-5));
    }

    [Fact]
    public void Without_a_hook_the_final_norm_is_read()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var last = Alone(texts[0], HookPoint.Parse("blocks.2.resid_post"))[^1];
        Assert.True(new RewardReader(model, null, null, RewardPooling.Last).Read([texts[0]])[0].allclose(model.FinalNorm(last), atol: 1e-5));
    }

    [Fact]
    public void The_mean_is_over_what_is_judged_and_not_over_the_prompt()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var read = new RewardReader(model, At, null, RewardPooling.Mean).Read(texts);
        for (int i = 0; i < texts.Length; i++)
            Assert.True(read[i].allclose(Alone(texts[i], At)[TensorIndex.Slice(texts[i].First)].mean([0L]), atol: 1e-5));
    }

    [Fact]
    public void With_an_SAE_its_latents_are_read()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using var sae = Some.Sae();
        var reader = new RewardReader(model, At, sae, RewardPooling.Mean);
        Assert.Equal(32, reader.Width);
        Assert.True(reader.Read([texts[0]])[0].allclose(sae.Encode(Alone(texts[0], At)[TensorIndex.Slice(1)]).mean([0L]), atol: 1e-5));
        Assert.Throws<ArgumentException>(() => new RewardReader(model, null, sae, RewardPooling.Last));
        using var wide = Some.Sae(dModel: 24);
        Assert.Throws<ArgumentException>(() => new RewardReader(model, At, wide, RewardPooling.Last));
        Assert.Contains("layers 0 to 2", Assert.Throws<ArgumentException>(() => new RewardReader(model, HookPoint.Parse("blocks.3.mlp_out"), null, RewardPooling.Last)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_text_too_long_loses_the_beginning_of_its_prompt_and_only_then_of_what_is_judged()
    {
        var tiny = TinyTokenizer.Load();
        (int[], int, bool) Fit(int[] prompt, int[] text, int limit)
        {
            var (judged, cut) = JudgedText.Of(prompt, text, limit, tiny);
            return (judged.Tokens, judged.First, cut);
        }
        Assert.Equal(([1, 2, 3, 4], 2, false), Fit([1, 2], [3, 4, 0], 4), Same);     // 0 ends the text and is not read
        Assert.Equal(([2, 3, 4], 1, true), Fit([1, 2], [3, 4, 0], 3), Same);
        Assert.Equal(([3, 4], 0, true), Fit([1, 2], [3, 4], 2), Same);
        Assert.Equal(([4, 5], 0, true), Fit([1, 2], [3, 4, 5], 2), Same);
        Assert.Equal(([1, 2], 1, false), Fit([1, 2], [0], 4), Same);                 // an empty text: the prompt's last token stands for it
        Assert.Equal(([0], 0, false), Fit([], [0], 4), Same);
        var begins = TinyTokenizer.Load(json => json["post_processor"] = System.Text.Json.Nodes.JsonNode.Parse("""
            {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
             "pair": [], "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [0], "tokens": ["<|endoftext|>"]}}}
            """));
        Assert.Equal([0, 2, 3, 4], JudgedText.Of([0, 1, 2], [3, 4], 4, begins).Text.Tokens);
        Assert.Throws<ArgumentOutOfRangeException>(() => JudgedText.Of([], [1], 0, tiny));

        static bool Same((int[], int, bool) a, (int[], int, bool) b) => a.Item1.SequenceEqual(b.Item1) && a.Item2 == b.Item2 && a.Item3 == b.Item3;
    }

    public void Dispose() => model.Dispose();
}
