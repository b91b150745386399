using Parsimony.Autoencoders;
using Parsimony.Exploration;
using Parsimony.Models;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Exploration;

public sealed class FeatureCardsTests : IDisposable
{
    private static readonly HookPoint At = new(1, HookSite.MlpOut);
    private readonly Transformer model = Some.Model();
    private readonly StandardSae sae = StandardSae.Create(16, 24, 11);
    private readonly List<int[]> contexts = Some.Contexts(count: 13, length: 12);

    public void Dispose()
    {
        model.Dispose();
        sae.Dispose();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(50)]
    public void Cards_equal_a_brute_force_search(int batchContexts)
    {
        var options = new FeatureCardOptions { BatchContexts = batchContexts, TokensBefore = 3, TokensAfter = 2, LogitTokens = 5 };
        int[] latents = [5, 0, 23, 7];
        var cards = FeatureCards.Build(model, At, sae, contexts, latents, 4, options);
        float[][][] f = [.. contexts.Select(Latents)]; // context, token, latent
        foreach (var (latent, card) in latents.Zip(cards))
        {
            Assert.Equal(latent, card.Latent);
            var all = f.SelectMany(context => context.Select(token => token[latent])).ToArray();
            Assert.Equal(all.Count(a => a > 0) / 156.0, card.Density, 12);
            Assert.Equal(all.Max(), card.MaxActivation, 1e-5);
            var ranked = Enumerable.Range(0, 13).Select(c => (Context: c, Peak: Enumerable.Range(0, 12).MaxBy(t => f[c][t][latent])))
                .Where(p => f[p.Context][p.Peak][latent] > 0).OrderByDescending(p => f[p.Context][p.Peak][latent]).Take(4).ToArray();
            Assert.Equal(ranked.Length, card.TopContexts.Length);
            foreach (var ((c, peak), shown) in ranked.Zip(card.TopContexts))
            {
                int start = Math.Max(0, peak - 3), end = Math.Min(12, peak + 3);
                Assert.Equal(contexts[c][start..end], shown.Tokens.Select(t => t.Id));
                Assert.Equal(peak - start, shown.PeakIndex);
                foreach (var (t, token) in Enumerable.Range(start, end - start).Zip(shown.Tokens)) Assert.Equal(f[c][t][latent], token.Activation, 1e-5);
            }
        }
    }

    [Fact]
    public void Promoted_tokens_are_the_decoder_row_through_the_final_norm_and_the_unembedding()
    {
        var card = FeatureCards.Build(model, At, sae, contexts, [7], 1, new FeatureCardOptions { LogitTokens = 5, OnlyTokensSeen = false })[0];
        using var weights = Some.Weights(Some.Config());
        float[] row = sae.WDec[7].data<float>().ToArray(), gain = weights.Read("gpt_neox.final_layer_norm.weight").data<float>().ToArray();
        using var unembed = weights.Read("embed_out.weight");
        float[] logits = [.. Enumerable.Range(0, 40).Select(v =>
            unembed[v].data<float>().ToArray().Select((u, i) => u * gain[i] * (row[i] - row.Average())).Sum())];
        float median = logits.Order().ElementAt(19); // of an even number the lower middle one
        var expected = logits.Select((logit, id) => (Id: id, Logit: logit - median)).OrderByDescending(t => t.Logit).ToArray();
        Assert.Equal(expected[..5].Select(t => t.Id), card.Promoted.Select(t => t.Id));
        Assert.Equal(expected[^5..].Reverse().Select(t => t.Id), card.Suppressed.Select(t => t.Id));
        Assert.Equal(expected[0].Logit, card.Promoted[0].Logit, 1e-4);
        Assert.Equal(expected[^1].Logit, card.Suppressed[0].Logit, 1e-4);
    }

    [Fact]
    public void Tokens_that_no_context_has_are_not_named()
    {
        List<int[]> few = [[3, 5, 8, 3], [9, 5, 3, 3]];
        var card = FeatureCards.Build(model, At, sae, few, [7], 1)[0];
        var all = FeatureCards.Build(model, At, sae, few, [7], 1, new FeatureCardOptions { OnlyTokensSeen = false, LogitTokens = 40 })[0];
        Assert.Equal(all.Promoted.Where(t => t.Id is 3 or 5 or 8 or 9), card.Promoted);
        Assert.Equal(all.Suppressed.Where(t => t.Id is 3 or 5 or 8 or 9), card.Suppressed);
    }

    [Fact]
    public void Inside_the_mlp_a_row_goes_through_the_output_weights_and_before_the_nonlinearity_there_is_no_path()
    {
        using var inner = StandardSae.Create(32, 8, 3);
        var after = FeatureCards.Build(model, new HookPoint(2, HookSite.MlpPost), inner, contexts, [4], 1, new FeatureCardOptions { OnlyTokensSeen = false })[0];
        using var weights = Some.Weights(Some.Config());
        using var scope = NewDisposeScope();
        var direction = weights.Read("gpt_neox.layers.2.mlp.dense_4h_to_h.weight").matmul(inner.WDec[4]);
        var logits = weights.Read("embed_out.weight").matmul((direction - direction.mean()) * weights.Read("gpt_neox.final_layer_norm.weight"));
        Assert.Equal(logits.argmax().item<long>(), after.Promoted[0].Id);
        Assert.Empty(FeatureCards.Build(model, new HookPoint(2, HookSite.MlpPre), inner, contexts, [4], 1)[0].Promoted);
    }

    [Fact]
    public void The_same_input_gives_the_same_cards_and_leaves_no_tensor()
    {
        float[] Flat(FeatureCard[] cards) => [.. cards.SelectMany(c => c.TopContexts).SelectMany(c => c.Tokens).Select(t => t.Activation)];
        float[] first = Flat(FeatureCards.Build(model, At, sae, contexts, [1, 2], 3));
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        Assert.Equal(first, Flat(FeatureCards.Build(model, At, sae, contexts, [1, 2], 3)));
        LatentSurvey.Measure(model, At, sae, contexts).Choose(5);
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void Of_equal_contexts_the_earlier_is_kept_and_of_equal_tokens_the_first_is_the_peak()
    {
        var top = new TopContexts(2);
        var options = new FeatureCardOptions { TokensBefore = 1, TokensAfter = 0 };
        top.Add([1, 2, 3], [0, 5, 5], options);
        top.Add([4, 5, 6], [7, 0, 0], options);
        top.Add([7, 8, 9], [0, 0, 5], options);
        top.Add([0, 0, 0], [0, 0, 0], options);
        Assert.Equal([[4], [1, 2]], top.Contexts.Select(context => context.Tokens.Select(t => t.Id).ToArray()));
        Assert.Equal((4, 7f), (top.Fired, top.Max));
    }

    [Fact]
    public void Progress_counts_tokens()
    {
        var told = new List<long>();
        FeatureCards.Build(model, At, sae, contexts[..6], [1], 1, new FeatureCardOptions { BatchContexts = 4 }, new Told(told));
        Assert.Equal([48, 72], told);
    }

    [Fact]
    public void Wrong_input_is_refused_in_a_sentence()
    {
        Assert.Contains("latents 0 to 23", Assert.Throws<ArgumentException>(() => FeatureCards.Build(model, At, sae, contexts, [24], 1)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => FeatureCards.Build(model, At, sae, [], [1], 1));
        string wide = Assert.Throws<ArgumentException>(() => FeatureCards.Build(model, new HookPoint(1, HookSite.MlpPost), sae, contexts, [1], 1)).Message;
        Assert.Contains("16 wide", wide, StringComparison.Ordinal);
        string faults = Assert.Throws<ArgumentException>(() => new FeatureCardOptions { TokensBefore = -1, BatchContexts = 0 }.Validated()).Message;
        Assert.Contains("tokens_before", faults, StringComparison.Ordinal);
        Assert.Contains("batch_contexts", faults, StringComparison.Ordinal);
        using var stop = new CancellationTokenSource();
        stop.Cancel();
        Assert.Throws<OperationCanceledException>(() => FeatureCards.Build(model, At, sae, contexts, [1], 1, cancellation: stop.Token));
    }

    private float[][] Latents(int[] context)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var x = model.Activations(At, tensor(context.Select(id => (long)id).ToArray()).unsqueeze(0));
        var f = ((x - sae.BDec).matmul(sae.WEnc) + sae.BEnc).clamp_min(0)[0];
        return [.. Enumerable.Range(0, context.Length).Select(t => f[t].contiguous().data<float>().ToArray())];
    }

    private sealed class Told(List<long> values) : IProgress<long>
    {
        public void Report(long value) => values.Add(value);
    }
}
