using Parsimony.FineTuning.Analysis;
using Xunit;

namespace Parsimony.Tests.FineTuning.Analysis;

public sealed class NullBandTests
{
    private static double[] Noise(int seed, int latents = 4000)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, latents).Select(_ => -Math.Log(1 - random.NextDouble()))];
    }

    [Fact]
    public void On_pure_noise_about_the_nominal_share_is_beyond()
    {
        double[] shares = [.. Enumerable.Range(0, 20).Select(i => NullBand.Of(Noise(100 + i), [Noise(3 * i), Noise(3 * i + 1), Noise(3 * i + 2)]).Beyond.Length / 4000.0)];
        Assert.Equal(0.01, shares.Average(), 0.002);
    }

    [Fact]
    public void Noise_is_called_noise_as_often_as_not_being_the_largest_of_four()
    {
        int called = Enumerable.Range(0, 40).Count(i => NullBand.Of(Noise(100 + i), [Noise(3 * i), Noise(3 * i + 1), Noise(3 * i + 2)]).AnyMoved);
        Assert.InRange(called, 3, 18);                                           // a quarter of 40 is expected
        var band = NullBand.Of(Noise(0), [Noise(0), Noise(1)]);
        Assert.StartsWith("Nothing here is beyond the null runs: ", NullBand.Of([.. Noise(0).Select(m => m * 0.5)], [Noise(1), Noise(2)]).Sentence, StringComparison.Ordinal);
        Assert.Equal(2, band.BeyondInNull.Length);
    }

    [Fact]
    public void What_moved_farther_than_noise_is_named()
    {
        double[] moved = Noise(9);
        for (int i = 0; i < 100; i++) moved[i * 40] += 20;
        var band = NullBand.Of(moved, [Noise(1), Noise(2), Noise(3)]);
        Assert.True(band.AnyMoved);
        Assert.All(Enumerable.Range(0, 100), i => Assert.Contains(i * 40, band.Beyond));
        Assert.Contains("3 null runs", band.Sentence, StringComparison.Ordinal);
        Assert.Equal([1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 4000], band.Ranks);
        Assert.All(band.Low.Zip(band.High), b => Assert.True(b.First <= b.Second));
        Assert.True(band.Movement[6] > band.High[6]);
        Assert.Equal(Noise(1).Zip(Noise(2), Math.Max).Zip(Noise(3), Math.Max), band.LatentMost);
    }

    [Fact]
    public void Runs_of_another_autoencoder_are_refused() =>
        Assert.Contains("same SAE", Assert.Throws<ArgumentException>(() => NullBand.Of([1, 2], [[1.0]])).Message, StringComparison.Ordinal);

    [Fact]
    public void The_threshold_lies_between_two_movements_where_the_quantile_does() => Assert.Equal(2.8, NullBand.Of([0, 0, 0, 0], [[4, 2, 3, 1]], 0.6).Threshold, 1e-12);
}
