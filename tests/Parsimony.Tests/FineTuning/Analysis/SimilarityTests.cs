using Parsimony.Autoencoders;
using Parsimony.FineTuning.Analysis;
using Parsimony.Tests.Splicing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Analysis;

public sealed class SimilarityTests
{
    private static DialChange Change(Action<float[], float[]> turn)
    {
        using var scope = NewDisposeScope();
        float[] c = [.. Enumerable.Repeat(1f, TinySae.DSae)], d = new float[TinySae.DSae];
        turn(c, d);
        return DialChange.Of(tensor(c), tensor(d));
    }

    [Fact]
    public void A_scale_alone_leaves_the_pattern_as_it_was()
    {
        using var some = new SomeAnalysis();
        var scaled = Change((c, _) =>
        {
            for (int i = 0; i < c.Length; i++) c[i] = 0.2f + 0.1f * i;
        });
        var similarity = FeatureSimilarity.Measure(some.Seam, scaled, SomeAnalysis.Texts(8), topContexts: 3);
        Assert.All(similarity.Pearson, r => Assert.Equal(1, r, 1e-9));
        Assert.All(similarity.ContextJaccard, j => Assert.Equal(1, j));
        Assert.All(similarity.FiringRatio, r => Assert.Equal(1, r));
        Assert.All(similarity.FiringJaccard, j => Assert.Equal(1, j));
        var shifted = FeatureSimilarity.Measure(some.Seam, Change((_, d) => Array.Fill(d, -0.3f)), SomeAnalysis.Texts(8));
        Assert.All(shifted.Pearson.Where(double.IsFinite), r => Assert.InRange(r, -1, 0.99999));
        Assert.All(shifted.FiringRatio, r => Assert.True(r <= 1));
    }

    [Fact]
    public void Pearson_is_that_of_the_numbers_themselves()
    {
        using var some = new SomeAnalysis();
        using var scope = NewDisposeScope();
        var (change, texts) = (SomeAnalysis.Change(), SomeAnalysis.Texts(4));
        var x = cat([.. texts.Select(t => some.Seam.Prefixes.Batch([t.Tokens]).Activation.reshape(-1, 16))]);
        var z = some.Seam.Turned[0].Sae.PreActivations(x);
        var (c, d) = change.Tensors();
        double[][] f = Columns(z.relu()), g = Columns((z * c + d).relu());
        var similarity = FeatureSimilarity.Measure(some.Seam, change, texts);
        for (int i = 0; i < 40; i++) Assert.Equal(Correlation(f[i], g[i]), similarity.Pearson[i], 1e-6);

        static double[][] Columns(Tensor t) => [.. Enumerable.Range(0, 40).Select(i => t.select(1, i).contiguous().Doubles())];
        static double Correlation(double[] a, double[] b)
        {
            double ma = a.Average(), mb = b.Average();
            double cross = a.Zip(b, (p, q) => (p - ma) * (q - mb)).Sum();
            double size = Math.Sqrt(a.Sum(p => (p - ma) * (p - ma)) * b.Sum(q => (q - mb) * (q - mb)));
            return size == 0 ? double.NaN : cross / size;
        }
    }

    [Fact]
    public void What_became_of_a_latent_is_said_in_words()
    {
        using var some = new SomeAnalysis();
        var texts = SomeAnalysis.Texts(8);
        var dense = DialEffects.Measure(some.Seam, DialChange.None(40), texts);
        int[] firing = [.. Enumerable.Range(0, 40).Where(i => dense.DensityBefore[i] is > 0.2 and < 0.8).Take(9)];
        var change = Change((c, d) =>
        {
            d[firing[0]] = 0.2f;
            d[firing[1]] = -0.2f;
            c[firing[2]] = 1.5f;
            c[firing[3]] = 0.5f;
            d[firing[4]] = -100;
            d[firing[5]] = 100;
            c[firing[6]] = -1;
            c[firing[7]] = 1.001f;
        });
        var effects = DialEffects.Measure(some.Seam, change, texts);
        DialWord[] Words(int i) => effects.Words[firing[i]];
        Assert.Equal([DialWord.Earlier, DialWord.Louder], Words(0));
        Assert.Equal([DialWord.Later, DialWord.Quieter], Words(1));
        Assert.Equal([DialWord.Louder], Words(2));
        Assert.Equal([DialWord.Quieter], Words(3));
        Assert.Equal([DialWord.Off], Words(4));
        Assert.Equal([DialWord.AlwaysOn, DialWord.Earlier, DialWord.Louder], Words(5));
        Assert.Equal([DialWord.Inverted], Words(6));
        Assert.Equal([DialWord.Barely], Words(7));
        Assert.Equal([DialWord.Unchanged], Words(8));
        Assert.Equal(-0.2, effects.ThresholdShift[firing[0]], 1e-6);
        Assert.Equal((0.0, 1.0), (effects.DensityAfter[firing[4]], effects.DensityAfter[firing[5]]));
        Assert.Equal(change.Changed.OrderByDescending(i => effects.Effect[i]), effects.Ranking(change));
    }

    [Fact]
    public void The_same_directions_in_another_order_are_found_again()
    {
        using var sae = TinySae.Random();
        using var scope = NewDisposeScope();
        using var generator = new Generator(4, CPU);
        var order = randperm(40, generator: generator);
        using var shuffled = new StandardSae(sae.WEnc, 3 * sae.WDec.index_select(0, order), sae.BEnc, sae.BDec);
        var match = DecoderMatch.Of(sae, shuffled);
        Assert.Equal((1, 1), (match.MeanMaxCosine, match.MeanMaxCosineBack), Near);
        Assert.Equal((0, 40), (match.Unmatched, match.Pairs.Count));
        Assert.All(match.Pairs, pair => Assert.Equal(pair.Latent, order[pair.Partner].item<long>()));

        using var other = TinySae.Random(seed: 99);
        var strangers = DecoderMatch.Of(sae, other);
        Assert.InRange(strangers.MeanMaxCosine, 0.2, 0.8);
        Assert.True(strangers.Unmatched > 20);
        Assert.Equal(strangers.Pairs.Count, strangers.Pairs.Select(p => p.Partner).Distinct().Count());
        Assert.Equal(strangers.Pairs.OrderByDescending(p => p.Cosine), strangers.Pairs);
    }

    private static bool Near((double, double) a, (double, double) b) => Math.Abs(a.Item1 - b.Item1) < 1e-5 && Math.Abs(a.Item2 - b.Item2) < 1e-5;
}
