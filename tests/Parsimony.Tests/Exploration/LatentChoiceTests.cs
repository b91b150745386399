using Parsimony.Exploration;
using Xunit;

namespace Parsimony.Tests.Exploration;

public sealed class LatentChoiceTests
{
    [Fact]
    public void Latents_are_chosen_from_rare_to_frequent_by_their_peak()
    {
        // Four latents to choose from, a dead one, one that fires in two contexts only, and one that is always on.
        int[] Choose(int count) => LatentChoice.Of([0.04f, 0, 0.001f, 0.02f, 0.9f, 0.0005f, 0.002f], [9, 0, 5, 7, 99, 50, 6], [30, 0, 4, 20, 100, 2, 8], [0, 1, 2, 3, 4, 5, 6], count);
        Assert.Equal([6, 0], Choose(2));
        Assert.Equal([2, 6, 3, 0], Choose(4));
        Assert.Equal([], Choose(0));
    }

    [Fact]
    public void A_feature_of_the_same_strongest_token_is_not_told_twice()
    {
        int[] Choose(int[] peaks) => LatentChoice.Of([0.001f, 0.002f, 0.01f, 0.02f], [5, 1, 9, 3], [9, 9, 9, 9], peaks, 2);
        Assert.Equal([0, 3], Choose([7, 8, 7, 5]));
        Assert.Equal([0, 2], Choose([7, 7, 7, 7]));
    }

    [Fact]
    public void Where_few_are_fit_all_that_live_are_taken()
    {
        Assert.Equal([2, 0], LatentChoice.Of([0.5f, 0, 0.001f], [1, 0, 1], [9, 0, 1], [0, 1, 2], 10));
        Assert.Empty(LatentChoice.Of([0, 0], [0, 0], [0, 0], [-1, -1], 10));
    }
}
