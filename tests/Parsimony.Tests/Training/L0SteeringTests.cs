using Parsimony.Training;
using Xunit;

namespace Parsimony.Tests.Training;

public sealed class L0SteeringTests
{
    [Fact]
    public void Without_a_target_beta_stays()
    {
        var steering = new L0Steering(0.3, null, 1000);
        steering.Observe(1000, steer: true);
        Assert.Equal(0.3, steering.Coefficient);
    }

    [Fact]
    public void During_the_warm_up_beta_stays()
    {
        var steering = new L0Steering(0.3, 10, 1000);
        for (int i = 0; i < 5; i++) steering.Observe(100, steer: false);
        Assert.Equal(0.3, steering.Coefficient);
    }

    [Theory]
    [InlineData(0.001, 0.02)] // starts far too weak
    [InlineData(10, 0.02)]    // starts far too strong
    [InlineData(0.001, 0.2)]  // an L0 that answers at once
    public void Beta_ends_where_a_sluggish_L0_meets_its_target(double start, double speed)
    {
        var steering = new L0Steering(start, targetL0: 10, steps: 20_000);
        double l0 = 500;
        for (int i = 0; i < 2000; i++)
        {
            double settled = 10 * Math.Pow(steering.Coefficient / 0.7, -0.8); // at beta 0.7 the target would be met
            l0 *= Math.Pow(settled / l0, speed);
            steering.Observe(l0, steer: true);
        }
        Assert.Equal(10, l0, 0.1);
        Assert.Equal(0.7, steering.Coefficient, 0.02);
    }
}
