using Parsimony.Cli;
using Xunit;

namespace Parsimony.Tests.Cli;

public sealed class ProgressTests
{
    [Fact]
    public void A_pipe_gets_a_line_every_five_seconds_and_one_at_the_end()
    {
        var clock = new Clock();
        var error = new StringWriter();
        using (var progress = new Progress(new LineDisplay("train", error, clock), 20_000, "tokens", clock))
        {
            for (int second = 1; second <= 10; second++)
            {
                clock.Seconds = second;
                progress.Report(second * 1000, $"loss {second}");
            }
        }
        Assert.Equal(
            "train  25%  5000/20.0k tokens  1000 tokens/s  ETA 00:15  loss 5\n"
            + "train  50%  10.0k/20.0k tokens  1000 tokens/s  ETA 00:10  loss 10\n"
            + "train  10.0k/20.0k tokens in 00:10  1000 tokens/s  loss 10\n", error.ToString());
    }

    [Fact]
    public void What_an_earlier_run_did_is_not_counted_as_speed()
    {
        var clock = new Clock();
        var error = new StringWriter();
        using (var progress = new Progress(new LineDisplay("train", error, clock), 2000, "steps", clock, already: 1000))
        {
            clock.Seconds = 10;
            progress.From<int>(step => step).Report(1500);
        }
        Assert.Contains("75%  1500/2000 steps  50 steps/s  ETA 00:10\n", error.ToString(), StringComparison.Ordinal);
        Assert.EndsWith("1500/2000 steps in 00:10  50 steps/s\n", error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0.5, "0.5")]
    [InlineData(512, "512")]
    [InlineData(13_100, "13.1k")]
    [InlineData(1_050_000, "1.05M")]
    [InlineData(2.5e9, "2.50G")]
    public void Amounts_are_short(double value, string text) => Assert.Equal(text, Progress.Amount(value));

    [Theory]
    [InlineData(61, "01:01")]
    [InlineData(7325, "2:02:05")]
    public void Times_are_short(double seconds, string text) => Assert.Equal(text, Progress.Time(seconds));

    private sealed class Clock : TimeProvider
    {
        public double Seconds { get; set; }

        public override long TimestampFrequency => 1000;

        public override long GetTimestamp() => (long)(Seconds * 1000);
    }
}
