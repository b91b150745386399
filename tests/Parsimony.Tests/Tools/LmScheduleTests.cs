using Parsimony.Tools.LanguageModel;
using Xunit;

namespace Parsimony.Tests.Tools;

public sealed class LmScheduleTests
{
    private static readonly WarmStayDecay Schedule = new(WarmUpSteps: 4, DecayFromStep: 10, Steps: 20);

    [Fact]
    public void The_learning_rate_rises_stays_and_falls_to_zero()
    {
        Assert.Equal(0.25, Schedule.At(0));
        Assert.Equal(1, Schedule.At(3));
        Assert.Equal(1, Schedule.At(10));
        Assert.Equal(0.5, Schedule.At(15));
        Assert.Equal(0.1, Schedule.At(19), 1e-12);
        Assert.Equal(0, Schedule.At(20));
    }

    [Fact]
    public void A_fall_moved_forward_leaves_the_steps_before_it_as_they_were()
    {
        var sooner = Schedule with { DecayFromStep = 8, Steps = 12 };
        Assert.All(Enumerable.Range(0, 8), step => Assert.Equal(Schedule.At(step), sooner.At(step)));
        Assert.Equal(0, sooner.At(12));
    }
}
