using Parsimony.Autoencoders;
using Parsimony.Exploration.Index;
using Parsimony.Splicing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Exploration.Index;

public sealed unsafe class PreActivationHistogramTests
{
    private static readonly (float Scale, float Shift)[] Dials =
    [
        .. from scale in (float[])[-3, -1, -0.2f, 0, 0.01f, 0.5f, 0.999f, 1, 1.1f, 4, 300]
           from shift in (float[])[-900, -2, -0.31f, -0.01f, 0, 1e-6f, 0.01f, 0.25f, 1.7f, 1000]
           select (scale, shift),
    ];

    [Theory]
    [InlineData(0, 1)]
    [InlineData(0.3f, 1)]
    [InlineData(0, 1000)]
    [InlineData(2.5f, 0.01f)]
    public void Density_and_mean_under_any_dials_are_within_the_error_that_is_told(float threshold, float spread)
    {
        var random = new Random(4);
        float[] z = [.. Enumerable.Range(0, 3000).Select(_ => (float)(spread * (Drawn(random) * Math.Exp(Drawn(random)) - 0.5)))];
        z[7] = threshold; // on the very edge
        var histogram = Of(z, threshold);
        foreach (var (c, d) in Dials)
        {
            float[] f = [.. z.Select(v => c * v + d is var u && u > threshold ? u : 0)];
            var (density, mean) = (histogram.Density(c, d), histogram.Mean(c, d));
            Assert.True(Math.Abs(density.Value - f.Count(a => a > 0) / (double)z.Length) <= density.Error + 1e-12, $"density at {c}, {d}: {density}, {f.Count(a => a > 0) / (double)z.Length}");
            Assert.True(Math.Abs(mean.Value - f.Average(a => (double)a)) <= mean.Error + 1e-12, $"mean at {c}, {d}: {mean}, {f.Average(a => (double)a)}");
        }
    }

    [Fact]
    public void The_error_is_small_where_dials_move_the_threshold_little()
    {
        var random = new Random(5);
        float[] z = [.. Enumerable.Range(0, 20_000).Select(_ => (float)Drawn(random) - 1)];
        var histogram = Of(z, 0);
        foreach (float d in (float[])[-0.5f, -0.1f, -0.01f, 0.01f, 0.1f, 0.5f])
        {
            var (density, mean) = (histogram.Density(1, d), histogram.Mean(1, d));
            double truth = z.Average(v => v + d > 0 ? 1.0 : 0), trueMean = z.Average(v => Math.Max(0.0, v + d));
            Assert.InRange(density.Error!.Value, 0, 0.03);                       // one bin's tokens
            Assert.InRange(Math.Abs(density.Value - truth), 0, 0.002);           // and what it is as a rule
            Assert.InRange(Math.Abs(mean.Value - trueMean) / trueMean, 0, 0.01);
        }
    }

    [Fact]
    public void Spread_over_even_bins_no_token_is_lost_and_those_in_a_bin_are_as_many_as_there_are()
    {
        var random = new Random(7);
        float[] z = [.. Enumerable.Range(0, 20_000).Select(_ => (float)Drawn(random))];
        var histogram = Of(z, 0.25f);
        double[] edges = [.. Enumerable.Range(0, 11).Select(i => -1 + 0.2 * i)];
        foreach (var (c, d) in ((double, double)[])[(1, 0), (-2, 0.1), (0.5, -0.2), (0, 0.3)])
        {
            double[] spread = histogram.Spread(edges, c, d);
            Assert.Equal(z.Length, spread.Sum(), 1e-6);
            for (int b = 0; c != 0 && b < spread.Length; b++)
                Assert.Equal(z.Count(v => (b == 0 || c * v + d >= edges[b]) && (b == spread.Length - 1 || c * v + d < edges[b + 1])), spread[b], 0.02 * z.Length);
        }
        Assert.Equal(z.Count(v => v > 0.25f), histogram.Spread(edges, above: 0.25).Sum(), 1e-6);
    }

    [Fact]
    public void At_rest_the_figures_are_exact_and_a_scale_alone_changes_the_density_not_at_all()
    {
        var random = new Random(6);
        float[] z = [.. Enumerable.Range(0, 500).Select(_ => (float)Drawn(random))];
        var histogram = Of(z, 0);
        Assert.Equal(new DialEstimate(z.Count(v => v > 0) / 500.0, 0), histogram.Density(1, 0));
        Assert.Equal(new DialEstimate(z.Sum(v => v > 0 ? (double)v : 0) / 500, 0), histogram.Mean(1, 0));
        Assert.Equal(new DialEstimate(z.Count(v => v > 0) / 500.0, 0), histogram.Density(0.3, 0));
        Assert.Equal(3 * histogram.Mean(1, 0).Value, histogram.Mean(3, 0).Value, 1e-9);
    }

    [Fact]
    public void The_order_of_the_values_decides_nothing()
    {
        var random = new Random(7);
        float[] z = [.. Enumerable.Range(0, 400).Select(i => (float)(Drawn(random) * Math.Exp(4 * Drawn(random))))];
        var forth = Of(z, 0.1f);
        var back = Of([.. z.Reverse()], 0.1f);
        var rising = Of([.. z.OrderBy(Math.Abs)], 0.1f);
        Assert.Equal(forth.Counts, back.Counts);
        Assert.Equal(forth.Counts, rising.Counts);
        Assert.Equal(forth.Edge(0), rising.Edge(0));
        Assert.InRange(z.Max(Math.Abs), forth.Edge(126) / 2, forth.Edge(128)); // as far as the farthest value, not farther
    }

    [Theory]
    [InlineData("standard")]
    [InlineData("jumprelu")]
    [InlineData("gated")]
    [InlineData("topk")]
    public void What_an_index_predicts_is_what_a_pass_with_the_dials_finds(string architecture)
    {
        using var folder = new TemporaryFolder();
        using var model = Some.Model();
        using var sae = FeatureIndexTests.Sae(architecture);
        var contexts = Some.Contexts(count: 40, length: 12);
        using var index = SomeIndex.Make(folder.File("i"), model, sae, contexts);
        foreach (var (c, d) in ((float, float)[])[(1, 0), (0.5f, 0), (1.4f, -0.2f), (1, 0.3f), (-1, 0.1f)])
        {
            using var scope = NewDisposeScope();
            using var noGradient = no_grad();
            var f = cat([.. contexts.Select(context => Taps.Latents(sae, model.Activations(SomeIndex.At, Parsimony.Tokens.ContextPacker.ToTensor([context])), full(sae.DSae, c), full(sae.DSae, d))[0])], 0);
            float[] density = (f > 0).to(ScalarType.Float32).mean([0L]).data<float>().ToArray(), mean = f.mean([0L]).data<float>().ToArray();
            double off = 0;
            for (int i = 0; i < sae.DSae; i++)
            {
                var (predicted, predictedMean) = (index.Histogram(i).Density(c, d), index.Histogram(i).Mean(c, d));
                Assert.Equal(architecture == "topk" && (c, d) != (1, 0), predicted.Error is null);
                Assert.InRange(Math.Abs(predicted.Value - density[i]), 0, (predicted.Error ?? 1) + 1e-6);
                Assert.InRange(Math.Abs(predictedMean.Value - mean[i]), 0, (predictedMean.Error ?? 10) + 1e-5);
                off += Math.Abs(predicted.Value - density[i]) / sae.DSae;
            }
            if (architecture != "topk") Assert.InRange(off, 0, 0.02);
        }
    }

    private static double Drawn(Random random) => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());

    private static PreActivationHistogram Of(float[] z, float threshold)
    {
        var counts = new uint[HistogramBins.Count];
        int firstKey = 0;
        fixed (uint* c = counts)
            foreach (float v in z)
            {
                int key = HistogramBins.Key(v - threshold);
                if (key - firstKey >= HistogramBins.PerSide) HistogramBins.Grow(c, ref firstKey, key);
                c[HistogramBins.Bin(v - threshold, firstKey)]++;
            }
        return new(counts, firstKey, threshold, z.LongCount(v => v > threshold), z.Sum(v => v > threshold ? (double)v : 0), z.Sum(v => (double)v), isJoint: false);
    }
}
