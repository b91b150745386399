using System.ComponentModel;
using System.Reflection;
using Parsimony.FineTuning;
using Parsimony.Splicing;
using Xunit;

namespace Parsimony.Tests.FineTuning;

public sealed class SftOptionsTests
{
    [Fact]
    public void The_defaults_are_the_articles()
    {
        var o = new SftOptions();
        Assert.Equal((2000L, 8, 128, 1e-3, 1e-2), (o.Steps, o.BatchSize, o.SequenceLength, o.LearningRate, o.WeightDecay));
        Assert.Equal((true, false), (o.Shuffle, o.ShuffleLabels));
        Assert.Equal((0.1, 0L, "2GiB", 2L << 30, 10, 500),
            (o.HeldOutFraction, o.Seed, o.PrefixCache, o.PrefixCacheBytes, o.LogEverySteps, o.CheckpointEverySteps));
        Assert.Same(o, o.Validated());
    }

    [Fact]
    public void Every_fault_is_named_at_once()
    {
        var broken = new SftOptions
        {
            Steps = -1,
            BatchSize = 0,
            SequenceLength = 1,
            LearningRate = double.NaN,
            WeightDecay = -0.5,
            HeldOutFraction = 1,
            PrefixCache = "much",
            LogEverySteps = 0,
            CheckpointEverySteps = 0,
        };
        Assert.Equal(
            "the options of fine-tuning are wrong: steps is -1; allowed: 0 or more; "
            + "batch_size is 0; allowed: 1 or more; sequence_length is 1; allowed: 2 or more; learning_rate is NaN; allowed: above 0; "
            + "weight_decay is -0.5; allowed: 0 or more; "
            + "held_out_fraction is 1; allowed: 0 or more and below 1; prefix_cache is 'much'; allowed: a size such as 2GiB, or 0; "
            + "log_every_steps is 0; allowed: 1 or more; checkpoint_every_steps is 0; allowed: 1 or more.",
            Assert.Throws<ArgumentException>(broken.Validated).Message);
    }

    [Fact]
    public void What_is_not_finite_is_no_number() =>
        Assert.Contains("weight_decay is ", Assert.Throws<ArgumentException>((new SftOptions { WeightDecay = double.PositiveInfinity }).Validated).Message, StringComparison.Ordinal);

    [Fact]
    public void Every_option_describes_itself_for_the_command_line() => Assert.All(
        typeof(SftOptions).GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(p => p.CanWrite),
        p => Assert.False(string.IsNullOrWhiteSpace(p.GetCustomAttribute<DescriptionAttribute>()?.Description), p.Name));
}
