using System.ComponentModel;
using System.Reflection;
using Parsimony.FineTuning;
using Parsimony.Splicing;
using Xunit;

namespace Parsimony.Tests.FineTuning;

public sealed class DialOptionsTests
{
    [Fact]
    public void The_defaults_keep_the_saes_error_and_draw_toward_rest_and_the_article_did_not()
    {
        var o = new DialOptions();
        Assert.Equal((SpliceMode.Delta, false, (double?)0, ShiftUnit.One), (o.Mode, o.DecayOnScale, o.MinScale, o.ShiftUnit));
        Assert.Equal((0.0, 0L, null, null, TokenPositions.All), (o.GroupLasso, o.MinFirings, o.AllowLatents, o.FreezeLatents, o.Positions));
        Assert.Equal(o with { Mode = SpliceMode.Replace, DecayOnScale = true, MinScale = null }, DialOptions.Article2023);
        Assert.Same(o, o.Validated());
    }

    [Fact]
    public void Every_fault_is_named_at_once()
    {
        var broken = new DialOptions { Mode = (SpliceMode)7, MinScale = 2, ShiftUnit = (ShiftUnit)9, GroupLasso = -1, MinFirings = -2, Positions = (TokenPositions)5 };
        Assert.Equal("the options of the dials are wrong: mode is 7; allowed: replace or delta; min_scale is 2; allowed: 1 or less, or not set; shift_unit is 9; allowed: one or activation; "
            + "group_lasso is -1; allowed: 0 or more; min_firings is -2; allowed: 0 or more; positions is 5; allowed: all, prompt or response.",
            Assert.Throws<ArgumentException>(broken.Validated).Message);
    }

    [Fact]
    public void Every_option_describes_itself_for_the_command_line() => Assert.All(
        typeof(DialOptions).GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(p => p.CanWrite),
        p => Assert.False(string.IsNullOrWhiteSpace(p.GetCustomAttribute<DescriptionAttribute>()?.Description), p.Name));
}
