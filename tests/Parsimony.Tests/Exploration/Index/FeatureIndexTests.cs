using Parsimony.Autoencoders;
using Parsimony.Exploration;
using Parsimony.Exploration.Index;
using Parsimony.Models;
using Parsimony.Tokens;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Parsimony.Tests.Exploration.Index;

/// <summary>What an index says is what a search over all activations finds.</summary>
public sealed class FeatureIndexTests : IDisposable
{
    private const int DSae = 27, Length = 12, Count = 23; // 27: three registers of eight and three latents
    private readonly TemporaryFolder folder = new();
    private readonly Transformer model = Some.Model();
    private readonly List<int[]> contexts = Some.Contexts(count: Count, length: Length);

    public void Dispose()
    {
        model.Dispose();
        folder.Dispose();
    }

    public static TheoryData<string> Architectures => ["standard", "topk", "jumprelu", "gated"];

    [Theory]
    [MemberData(nameof(Architectures))]
    public void Figures_contexts_and_samples_equal_a_search_over_all_activations(string architecture)
    {
        using var sae = Sae(architecture);
        using var index = SomeIndex.Make(folder.File(architecture), model, sae, contexts);
        var (pre, f) = SomeIndex.Latents(model, sae, contexts);
        var o = SomeIndex.Options;
        for (int i = 0; i < DSae; i++)
        {
            var all = f.SelectMany((context, c) => context.Select((token, t) => (Context: c, Token: t, Value: token[i]))).ToList();
            var fires = all.Where(a => a.Value > 0).ToList();
            var card = index.Card(i);
            Assert.Equal(fires.Count, card.Fired);
            Assert.Equal(fires.Count / (double)(Count * Length), card.Density, 1e-6);
            Assert.Equal(fires.Select(a => a.Context).Distinct().Count(), card.ContextsFired);
            Assert.Equal(all.Max(a => a.Value), card.MaxActivation, 1e-5);
            Assert.Equal(all.Average(a => (double)a.Value), card.MeanActivation, 1e-6);
            Assert.Equal(fires.Count == 0 ? -1 : contexts[fires.MaxBy(a => a.Value).Context][fires.MaxBy(a => a.Value).Token], index.PeakToken[i]);

            var peaks = fires.GroupBy(a => a.Context).Select(g => g.MaxBy(a => a.Value)).OrderByDescending(a => a.Value).Take(o.TopContexts).ToList();
            Assert.Equal(peaks.Select(a => (a.Context, a.Token)), card.TopContexts.Select(c => (c.Context, c.Position)));
            foreach (var shown in card.TopContexts.Concat(card.Intervals.SelectMany(interval => interval.Samples))) Shows(shown, f, i);

            Assert.Equal(fires.Count, card.Intervals.Sum(interval => interval.Count));
            if (fires.Count > 0) Assert.InRange(card.Intervals.Length, 5, 8);
            foreach (var interval in card.Intervals)
            {
                var within = fires.Where(a => a.Value >= interval.Low && a.Value < interval.High).ToList();
                Assert.Equal(within.Count, interval.Count);
                Assert.Equal(within.OrderBy(a => SomeIndex.Hashes(o.Seed, a.Context * Length + a.Token, i).Sample).Take(o.SamplesPerInterval).Select(a => (a.Context, a.Token)),
                    interval.Samples.Select(c => (c.Context, c.Position)));
            }

            var h = card.Histogram;
            for (int bin = 0; bin < h.Counts.Count; bin++)
            {
                bool isUpper = bin >= h.Counts.Count / 2; // bins above the threshold begin with their lower end, those below end with their upper one
                float low = (float)(h.Edge(bin) - h.Threshold), high = (float)(h.Edge(bin + 1) - h.Threshold);
                long expected = pre.Sum(context => context.LongCount(token => token[i] - h.Threshold is var y
                    && (isUpper ? (y >= low && y > 0 && y < high) : (y > low && y <= high))));
                Assert.Equal(expected, h.Counts[bin]);
            }
        }
    }

    [Fact]
    public void Neighbours_equal_a_search_over_all_pairs()
    {
        using var sae = Sae("standard");
        using var index = SomeIndex.Make(folder.File("i"), model, sae, contexts);
        var (_, f) = SomeIndex.Latents(model, sae, contexts);
        HashSet<int>[] fires = [.. Enumerable.Range(0, DSae).Select(i => f.SelectMany((context, c) => context.Select((token, t) => (token[i], c * Length + t))).Where(a => a.Item1 > 0).Select(a => a.Item2).ToHashSet())];
        float[][] rows = [.. Enumerable.Range(0, DSae).Select(i => sae.WDec[i].data<float>().ToArray())];
        double Cosine(int i, int j) => rows[i].Zip(rows[j]).Sum(p => (double)p.First * p.Second) / Math.Sqrt(rows[i].Sum(x => (double)x * x) * rows[j].Sum(x => (double)x * x));
        double Jaccard(int i, int j) => fires[i].Intersect(fires[j]).Count() / (double)fires[i].Union(fires[j]).Count();
        for (int i = 0; i < DSae; i++)
        {
            var others = Enumerable.Range(0, DSae).Where(j => j != i).ToList();
            var card = index.Card(i);
            Assert.Equal(others.OrderByDescending(j => Cosine(i, j)).Take(4), card.Similar.Select(n => n.Latent));
            Assert.All(card.Similar, n => Assert.Equal(Cosine(i, n.Latent), n.Likeness, 1e-5));
            Assert.Equal(others.Where(j => fires[i].Overlaps(fires[j])).OrderByDescending(j => (float)Jaccard(i, j)).ThenBy(j => j).Take(4), card.Coactive.Select(n => n.Latent));
            Assert.All(card.Coactive, n => Assert.Equal(Jaccard(i, n.Latent), n.Likeness, 1e-6));
        }
    }

    [Fact]
    public unsafe void Decoder_neighbours_of_a_block_are_those_of_a_search_over_all()
    {
        using var sae = Sae("standard");
        using var whole = new IndexState(DSae, SomeIndex.Options, 1);
        using var blocks = new IndexState(DSae, SomeIndex.Options, 1);
        DecoderNeighbours.Find(whole, sae, 0, DSae);
        foreach (var (first, end) in ((int, int)[])[(0, 5), (5, 26), (26, 27)]) DecoderNeighbours.Find(blocks, sae, first, end);
        for (int i = 0; i < DSae * 4; i++)
        {
            Assert.Equal(whole.Similar[i].Id, blocks.Similar[i].Id);
            Assert.Equal(whole.Similar[i].Value, blocks.Similar[i].Value, 1e-5);
        }
    }

    [Fact]
    public void Direct_logits_are_the_decoder_row_through_the_final_norm_and_the_unembedding()
    {
        using var sae = Sae("standard");
        using var index = SomeIndex.Make(folder.File("i"), model, sae, contexts, SomeIndex.Options with { OnlyTokensSeen = false });
        using var weights = Some.Weights(Some.Config());
        float[] row = sae.WDec[7].data<float>().ToArray(), gain = weights.Read("gpt_neox.final_layer_norm.weight").data<float>().ToArray();
        using var unembed = weights.Read("embed_out.weight");
        float[] logits = [.. Enumerable.Range(0, 40).Select(v => unembed[v].data<float>().ToArray().Select((u, i) => u * gain[i] * (row[i] - row.Average())).Sum())];
        float median = logits.Order().ElementAt(19); // of an even number the lower middle one
        var expected = logits.Select((logit, id) => (Id: id, Logit: logit - median)).OrderByDescending(t => t.Logit).ToArray();
        var card = index.Card(7);
        Assert.Equal(expected[..5].Select(t => t.Id), card.Promoted.Select(t => t.Id));
        Assert.Equal(expected[^5..].Reverse().Select(t => t.Id), card.Suppressed.Select(t => t.Id));
        Assert.Equal(expected[0].Logit, card.Promoted[0].Logit, 1e-4);
        Assert.Equal(expected[^1].Logit, card.Suppressed[0].Logit, 1e-4);
    }

    [Fact]
    public void Inside_the_mlp_a_row_goes_through_the_output_weights_and_before_the_nonlinearity_there_is_no_direct_path()
    {
        using var inner = StandardSae.Create(32, 8, 3);
        using var after = SomeIndex.Make(folder.File("post"), model, inner, contexts, SomeIndex.Options with { OnlyTokensSeen = false }, new(2, HookSite.MlpPost));
        using var weights = Some.Weights(Some.Config());
        using var scope = NewDisposeScope();
        var direction = weights.Read("gpt_neox.layers.2.mlp.dense_4h_to_h.weight").matmul(inner.WDec[4]);
        var logits = weights.Read("embed_out.weight").matmul((direction - direction.mean()) * weights.Read("gpt_neox.final_layer_norm.weight"));
        Assert.Equal(logits.argmax().item<long>(), after.Card(4).Promoted[0].Id);
        using var before = SomeIndex.Make(folder.File("pre"), model, inner, contexts, SomeIndex.Options, new(2, HookSite.MlpPre));
        Assert.Empty(before.Card(4).Promoted);
        Assert.NotEmpty(before.Card(before.Ranked(IndexColumn.Effect)[0]).Raised); // measured all the same
    }

    [Fact]
    public void Tokens_that_no_context_has_are_not_named()
    {
        using var sae = Sae("standard");
        List<int[]> few = [[3, 5, 8, 3], [9, 5, 3, 3]];
        using var index = SomeIndex.Make(folder.File("i"), model, sae, few);
        var card = index.Card(index.Ranked(IndexColumn.Effect)[0]);
        Assert.Equal(4, card.Promoted.Length);
        Assert.All([.. card.Promoted, .. card.Suppressed, .. card.Raised, .. card.Lowered], t => Assert.Contains(t.Item1, (int[])[3, 5, 8, 9]));
    }

    [Fact]
    public void Measured_effects_equal_an_explicit_forward_without_the_latent()
    {
        using var sae = Sae("topk");
        using var index = SomeIndex.Make(folder.File("i"), model, sae, contexts, SomeIndex.Options with { OnlyTokensSeen = false });
        float[] lengths = DecoderRow.Norms(sae.WDec).flatten().data<float>().ToArray();
        int[] strongest = [.. Enumerable.Range(0, DSae).OrderByDescending(i => index.Card(i).MeanActivation * lengths[i]).Take(7)];
        Assert.Equal(strongest.Order(), Enumerable.Range(0, DSae).Where(i => index.Card(i).Effect is not null));
        foreach (int latent in strongest)
        {
            using var scope = NewDisposeScope();
            using var noGradient = no_grad();
            var card = index.Card(latent);
            var changes = card.TopContexts.Take(2).Select(context =>
            {
                var tokens = ContextPacker.ToTensor([contexts[context.Context]]); // the whole context: what comes behind the peak has no say
                Tensor Without(HookPoint here, Tensor x)
                {
                    if (here != SomeIndex.At) return x;
                    var f = sae.Encode(x);
                    return x - f[.., .., latent].unsqueeze(-1) * sae.WDec[latent];
                }
                Tensor Next(Tap? tap) => log_softmax(model.Forward(tokens, tap), -1)[0, context.Position];
                var with = Next(null);
                return (Change: with - Next(Without), Divergence: (with.exp() * (with - Next(Without))).sum().item<float>());
            }).ToList();
            Assert.Equal(changes.Average(c => c.Divergence), card.Effect!.Value, 1e-5);
            float[] mean = stack(changes.Select(c => c.Change)).mean([0L]).data<float>().ToArray();
            Assert.Equal(mean.Max(), card.Raised[0].LogProb, 1e-5);
            Assert.Equal(mean.Min(), card.Lowered[0].LogProb, 1e-5);
            Assert.All([.. card.Raised, .. card.Lowered], t => Assert.Equal(mean[t.Item1], t.Item2, 1e-5));
        }
    }

    [Fact]
    public void Latents_are_listed_by_any_column_and_found_by_the_token_they_peak_on()
    {
        using var sae = Sae("standard");
        using var index = SomeIndex.Make(folder.File("i"), model, sae, contexts);
        float[] density = index.Density.ToArray(), effect = index.Effect.ToArray();
        Assert.Equal(Enumerable.Range(0, DSae).OrderByDescending(i => density[i]).ThenBy(i => i), index.Ranked(IndexColumn.Density));
        Assert.Equal(Enumerable.Range(0, DSae).Where(i => i % 2 == 0).OrderBy(i => density[i]).ThenBy(i => i), index.Ranked(IndexColumn.Density, descending: false, i => i % 2 == 0));
        Assert.All(index.Ranked(IndexColumn.Effect)[7..], i => Assert.True(float.IsNaN(effect[i]))); // not measured: last, whatever the order
        Assert.All(index.Ranked(IndexColumn.Effect, descending: false)[7..], i => Assert.True(float.IsNaN(effect[i])));
        for (int token = 0; token < 40; token++)
        {
            var expected = Enumerable.Range(0, DSae).Select(i => (Latent: i, Contexts: index.Card(i).TopContexts.Count(c => contexts[c.Context][c.Position] == token)))
                .Where(p => p.Contexts > 0).OrderByDescending(p => p.Contexts).ThenBy(p => p.Latent);
            Assert.Equal(expected, index.PeakingOn(token));
        }
        for (int c = 0; c < Count; c++) Assert.Equal(contexts[c], index.Context(c));
        Assert.Contains("latents 0 to 26", Assert.Throws<ArgumentOutOfRangeException>(() => index.Card(27)).Message, StringComparison.Ordinal);
    }

    private static void Shows(FeatureContext shown, float[][][] f, int latent)
    {
        int start = Math.Max(0, shown.Position - 3);
        Assert.Equal(Math.Min(Length, shown.Position + 3) - start, shown.Tokens.Length);
        Assert.Equal(shown.Position - start, shown.PeakIndex);
        for (int t = 0; t < shown.Tokens.Length; t++)
        {
            float expected = f[shown.Context][start + t][latent];
            Assert.InRange(shown.Tokens[t].Activation, expected * (1 - 1 / 400.0) - 1e-5, expected * (1 + 1 / 400.0) + 1e-5);
            if (t == shown.PeakIndex) Assert.Equal(expected, shown.Tokens[t].Activation, 1e-5);
        }
    }

    internal static ISparseAutoencoder Sae(string architecture)
    {
        using var scope = NewDisposeScope();
        using var plain = Some.Sae(dSae: DSae);
        using var generator = new Generator(9, CPU);
        return architecture switch
        {
            "topk" => new TopKSae(plain.WEnc, plain.WDec, plain.BEnc, plain.BDec, 4),
            "jumprelu" => new JumpReluSae(plain.WEnc, plain.WDec, plain.BEnc, plain.BDec, rand(DSae, generator: generator) * 0.5),
            "gated" => new GatedSae(plain.WEnc, plain.WDec, plain.BEnc, plain.BEnc * 0.5, rand(DSae, generator: generator) * 0.4, plain.BDec),
            _ => new StandardSae(plain.WEnc, plain.WDec, plain.BEnc, plain.BDec),
        };
    }
}
