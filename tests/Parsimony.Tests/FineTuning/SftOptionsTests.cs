using System.ComponentModel;
using System.Reflection;
using Parsimony.FineTuning;
using Parsimony.Splicing;
using Xunit;

namespace Parsimony.Tests.FineTuning;

public sealed class SftOptionsTests
{
    [Fact]
    public void The_defaults_are_the_articles_but_for_mode_decay_and_the_least_scale()
    {
        var o = new SftOptions();
        Assert.Equal((2000L, 8, 128, 1e-3, 1e-2), (o.Steps, o.BatchSize, o.SequenceLength, o.LearningRate, o.WeightDecay));
        Assert.Equal((SpliceMode.Delta, false, (double?)0, true, false), (o.Mode, o.DecayOnScale, o.MinScale, o.Shuffle, o.ShuffleLabels));
        Assert.Equal((0.1, 0L, "2GiB", 2L << 30, 10, 500),
            (o.HeldOutFraction, o.Seed, o.PrefixCache, o.PrefixCacheBytes, o.LogEverySteps, o.CheckpointEverySteps));
        Assert.Equal((0.0, 0L, null, null), (o.GroupLasso, o.MinFirings, o.AllowLatents, o.FreezeLatents));
        Assert.Equal(o with { Mode = SpliceMode.Replace, DecayOnScale = true, MinScale = null }, SftOptions.Article2023);
        Assert.Same(o, o.Validated());
    }

    [Fact]
    public void Every_fault_is_named_at_once()
    {
        var broken = new SftOptions
        {
            Mode = (SpliceMode)7,
            Steps = -1,
            BatchSize = 0,
            SequenceLength = 1,
            LearningRate = double.NaN,
            WeightDecay = -0.5,
            MinScale = 2,
            GroupLasso = -1,
            MinFirings = -2,
            HeldOutFraction = 1,
            PrefixCache = "much",
            LogEverySteps = 0,
            CheckpointEverySteps = 0,
        };
        Assert.Equal(
            "these fine-tuning options cannot be used: mode is 7; it must be replace or delta; steps is -1; it must be 0 or more; "
            + "batch_size is 0; it must be 1 or more; sequence_length is 1; it must be 2 or more; learning_rate is NaN; it must be above 0; "
            + "weight_decay is -0.5; it must be 0 or more; min_scale is 2; it must be 1 or less, or not set; "
            + "group_lasso is -1; it must be 0 or more; min_firings is -2; it must be 0 or more; "
            + "held_out_fraction is 1; it must be 0 or more and below 1; prefix_cache is 'much'; it must be a size such as 2GiB, or 0; "
            + "log_every_steps is 0; it must be 1 or more; checkpoint_every_steps is 0; it must be 1 or more.",
            Assert.Throws<ArgumentException>(broken.Validated).Message);
    }

    [Fact]
    public void Every_option_describes_itself_for_the_command_line() => Assert.All(
        typeof(SftOptions).GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(p => p.CanWrite),
        p => Assert.False(string.IsNullOrWhiteSpace(p.GetCustomAttribute<DescriptionAttribute>()?.Description), p.Name));
}
