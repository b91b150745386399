using Parsimony.FineTuning;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning;

public sealed class MaskTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    [Fact]
    public void Moments_are_those_of_the_true_positions_and_nothing_else_is_looked_at()
    {
        var mask = tensor(new[,] { { true, true, false }, { true, false, false }, { false, false, false } });
        var x = tensor(new[,] { { 1f, 4f, float.NaN }, { 7f, float.PositiveInfinity, 0f }, { 9f, 9f, 9f } }).requires_grad_();
        Assert.Equal([5f, 7f, 0f], Masked.SumPerRow(x, mask).Floats());
        Assert.Equal([2.5f, 7f, 0f], Masked.MeanPerRow(x, mask).Floats());
        Assert.Equal(4f, Masked.Mean(x, mask).item<float>());
        Assert.Equal(9f, Masked.Variance(x, mask).item<float>());              // (9 + 0 + 9) / 2
        Assert.Equal([1 / 3f, 1 / 3f, 0, 1 / 3f, 0, 0, 0, 0, 0], autograd.grad([Masked.Mean(x, mask)], [x])[0].Floats());
        Assert.Equal(0f, Masked.Mean(x, zeros_like(mask)).item<float>());
    }

    [Fact]
    public void Positions_are_told_apart_whichever_side_the_padding_is_on()
    {
        RowSpan[] rows = [new(0, 2, 4), new(1, 4, 6)];                          // padded right, padded left
        string Drawn(TokenPositions positions) =>
            string.Join("|", PositionMask.Of(positions, rows, 6).to(ScalarType.Int64).Longs().Chunk(6).Select(row => string.Concat(row)));
        Assert.Equal("111100|011111", Drawn(TokenPositions.All));
        Assert.Equal("110000|011100", Drawn(TokenPositions.Prompt));
        Assert.Equal("001100|000011", Drawn(TokenPositions.Response));
        Assert.StartsWith("row 0 spans 0, 2, 7; expected 0 <= start <= response <= end <= 6.",
            Assert.Throws<ArgumentException>(() => PositionMask.Of(TokenPositions.All, [new(0, 2, 7)], 6)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => PositionMask.Of(TokenPositions.All, [], 6));
    }

    [Fact]
    public void Latents_move_when_they_fired_enough_are_allowed_and_not_frozen()
    {
        var firings = tensor(new long[] { 0, 3, 9, 4, 5 });
        var mask = LatentMask.Evidence(firings, 4) & LatentMask.Allow(5, [0, 1, 2, 3]) & LatentMask.Freeze(5, [3]);
        Assert.Equal([0, 0, 1, 0, 0], mask.Longs());
        Assert.Equal(5, LatentMask.Evidence(firings, 0).sum().item<long>());
        Assert.StartsWith("latent 5 is not one of the SAE's; allowed are 0 to 4.",
            Assert.Throws<ArgumentException>(() => LatentMask.Freeze(5, [5])).Message, StringComparison.Ordinal);
    }

    public void Dispose() => scope.Dispose();
}
