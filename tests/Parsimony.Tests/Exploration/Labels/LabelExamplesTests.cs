using Parsimony.Exploration;
using Parsimony.Exploration.Labels;
using Xunit;
using static Parsimony.Tests.Exploration.Labels.SomeCards;

namespace Parsimony.Tests.Exploration.Labels;

/// <summary>What a label is scored on has no part in making it.</summary>
public sealed class LabelExamplesTests
{
    [Fact]
    public void The_measured_contexts_make_a_label_then_one_is_held_out_and_the_next_makes_it_in_turn()
    {
        var examples = LabelExamples.Of(Card([.. Enumerable.Range(0, 10).Select(c => Window(c, 1, 2, 3 + c, 4))], [.. Enumerable.Range(10, 4).Select(c => Window(c, 1, 2, 3 + c, 4))]), measuredContexts: 3);
        Assert.Equal([0, 1, 2, 4, 6, 8], examples.Strongest.Select(e => e.Context));
        Assert.Equal([0, 1, 2, 4, 6, 8, 10, 12], examples.Making.Select(e => e.Context));
        Assert.Equal([3, 5, 7, 9, 11, 13], examples.HeldOut.Select(e => e.Context));
        Assert.True(examples.IsEffectOurs);
    }

    [Fact]
    public void Of_few_contexts_half_make_the_label_and_an_effect_measured_in_more_of_them_is_not_told()
    {
        var two = LabelExamples.Of(Card([Window(0, 1, 2, 3), Window(1, 1, 2, 4)]), measuredContexts: 3);
        Assert.Equal((0, 1, false), (Assert.Single(two.Making).Context, Assert.Single(two.HeldOut).Context, two.IsEffectOurs));
        var one = LabelExamples.Of(Card([Window(0, 1, 2, 3)]), measuredContexts: 3);
        Assert.Equal((1, 0, true), (one.Making.Count, one.HeldOut.Count, one.IsEffectOurs));
    }

    [Fact]
    public void All_windows_of_a_context_are_on_one_side_and_one_of_them_is_scored_on()
    {
        FeatureContext Elsewhere(int context, int position) => new([new(40 + position, 0), new(50 + position, 1)], 1, context, position);
        var examples = LabelExamples.Of(Card([Window(0, 1, 2, 3), Window(1, 1, 2, 4)], [Elsewhere(0, 7), Elsewhere(1, 7), Elsewhere(1, 9), Elsewhere(2, 7), Elsewhere(0, 7)]), measuredContexts: 1);
        Assert.Equal([(0, 2), (0, 7), (2, 7)], examples.Making.Select(e => (e.Context, e.Position)));
        Assert.Equal([(1, 2)], examples.HeldOut.Select(e => (e.Context, e.Position)));
        Assert.Equal([0, 2], examples.Contexts.Order());
    }

    [Fact]
    public void A_held_out_window_with_the_very_tokens_of_one_that_made_the_label_is_left_out()
    {
        var examples = LabelExamples.Of(Card([Window(0, 1, 2, 3), Window(1, 1, 2, 3)]), measuredContexts: 0);
        Assert.Equal((1, 0), (examples.Making.Count, examples.HeldOut.Count));
    }
}
