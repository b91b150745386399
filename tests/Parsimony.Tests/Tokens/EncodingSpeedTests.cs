using System.Text;
using Parsimony.Tokens;
using Xunit;

namespace Parsimony.Tests.Tokens;

/// <summary>Measured when asked for (see docs/tokens.md), in CPU time: the clock of a busy machine says nothing about one core.</summary>
public sealed class EncodingSpeedTests
{
    [Fact(Explicit = true)]
    public void Five_readings_from_a_cold_start_take_a_CPU_second_per_3_MB_at_most()
    {
        var tokenizer = Tokenizer.Load(Shared.Path("data/tokenizer/gpt-neox-20b.tokenizer.json"));
        string text = File.ReadAllText(Shared.Path("data/wikitext/wikitext-103-valid.tokens.txt"));
        double megabytes = Encoding.UTF8.GetByteCount(text) / 1e6, seconds = 0;
        const int rounds = 5;
        for (int round = 1; round <= rounds; round++)
        {
            var before = Environment.CpuUsage.TotalTime;
            int tokens = tokenizer.Encode(text).Length;
            double cpu = (Environment.CpuUsage.TotalTime - before).TotalSeconds;    // of all threads: JIT and GC are counted in
            seconds += cpu;
            TestContext.Current.SendDiagnosticMessage($"round {round}: {megabytes:F2} MB, {tokens} tokens, {megabytes / cpu:F1} MB per CPU second");
        }
        string total = $"all {rounds} rounds: {rounds * megabytes / seconds:F1} MB per CPU second";
        TestContext.Current.SendDiagnosticMessage(total);
        Assert.True(rounds * megabytes / seconds >= 3, total);
    }
}
