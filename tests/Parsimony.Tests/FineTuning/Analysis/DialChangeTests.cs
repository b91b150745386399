using Parsimony.FineTuning.Analysis;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Analysis;

public sealed class DialChangeTests
{
    private static readonly float[] Scales = [1, 0.1f, 3.7f, -0.3f, 0, 1.0000001f, 1], Shifts = [0, 0.3f, -2, 0, 1e-9f, 0, 0.5f];

    private static DialChange Some
    {
        get
        {
            using var scope = NewDisposeScope();
            return DialChange.Of(tensor(Scales), tensor(Shifts));
        }
    }

    [Fact]
    public void Dials_come_back_to_the_bit()
    {
        using var scope = NewDisposeScope();
        foreach (var change in (DialChange[])[Some, Some.Along(1), Some.Without([]), Some.Only(Enumerable.Range(0, 7))])
        {
            var (c, d) = change.Tensors();
            Assert.Equal(Scales, c.data<float>().ToArray());
            Assert.Equal(Shifts, d.data<float>().ToArray());
        }
    }

    [Fact]
    public void Changed_are_those_that_are_not_exactly_at_rest() => Assert.Equal([1, 2, 3, 4, 5, 6], Some.Changed);

    [Fact]
    public void What_is_kept_and_what_is_dropped_are_complements()
    {
        var (only, without) = (Some.Only([1, 3]), Some.Without([1, 3]));
        Assert.Equal([1, 3], only.Changed);
        Assert.Equal([2, 4, 5, 6], without.Changed);
        Assert.Equal((0.1f, 0.3f, 1f, 0f), (only.Scale(1), only.Shift(1), without.Scale(1), without.Shift(1)));
    }

    [Fact]
    public void A_dose_scales_gamma_and_d()
    {
        var half = Some.Along(0.5);
        Assert.Equal((0.55f, 0.15f), (half.Scale(1), half.Shift(1)));
        Assert.Empty(Some.Along(0).Changed);
        Assert.Equal(-4f, Some.Along(2).Shift(2));
    }

    [Fact]
    public void Dials_that_do_not_fit_are_refused()
    {
        using var scope = NewDisposeScope();
        Assert.Contains("[d_sae]", Assert.Throws<ArgumentException>(() => DialChange.Of(ones(3), ones(4))).Message, StringComparison.Ordinal);
        Assert.Contains("latent 1", Assert.Throws<ArgumentException>(() => DialChange.Of(ones(2), tensor([0, float.NaN]))).Message, StringComparison.Ordinal);
    }
}
