using Parsimony.Tools.LanguageModel;
using Xunit;

namespace Parsimony.Tests.Tools;

public sealed class TrainingWindowsTests
{
    private static readonly int[] Tokens = [.. Enumerable.Range(0, 1000)];

    private static long[] Window(TrainingWindows windows, long number)
    {
        var ids = new long[9];
        windows.Copy(number, ids);
        return ids;
    }

    [Fact]
    public void A_window_is_a_stretch_of_the_text() =>
        Assert.All(Enumerable.Range(0, 300), n =>
        {
            long[] ids = Window(new TrainingWindows(Tokens, 8, seed: 1), n);
            Assert.Equal(Enumerable.Range(0, 9).Select(i => ids[0] + i), ids);
        });

    [Fact]
    public void An_epoch_has_every_window_once_and_the_next_has_another_order()
    {
        var windows = new TrainingWindows(Tokens, 8, seed: 1);
        long[] first = [.. Enumerable.Range(0, windows.PerEpoch).Select(n => Window(windows, n)[0])];
        long[] second = [.. Enumerable.Range(windows.PerEpoch, windows.PerEpoch).Select(n => Window(windows, n)[0])];
        Assert.Equal(windows.PerEpoch, first.Distinct().Count());
        Assert.Single(first.Select(start => start % 8).Distinct());
        Assert.NotEqual(first, second);
        Assert.True(windows.PerEpoch >= 1000 / 8 - 2);
    }

    [Fact]
    public void A_window_follows_from_its_number_alone()
    {
        var read = new TrainingWindows(Tokens, 8, seed: 1);
        for (int n = 0; n < 200; n++) _ = Window(read, n);
        Assert.Equal(Window(new TrainingWindows(Tokens, 8, seed: 1), 200), Window(read, 200));
    }
}
