using System.Diagnostics;
using Parsimony.FineTuning.Rewards;
using Xunit;
using static Parsimony.Tests.FineTuning.Rewards.SomeTexts;

namespace Parsimony.Tests.FineTuning.Rewards;

public sealed class ExecutableRewardTests
{
    /// <summary>Takes the id out of a line and answers with it.</summary>
    private const string Loop = "while read -r line; do id=${line#*\\\"id\\\":}; id=${id%%,*}; ";

    public ExecutableRewardTests() => Assert.SkipWhen(OperatingSystem.IsWindows(), "the programs are shell scripts");

    private static ExecutableReward Shell(string script, double timeout = 30, int restarts = 0) =>
        new(new() { Command = "sh", Arguments = ["-c", script], TimeoutSeconds = timeout, MaxRestarts = restarts });

    private static string Fault(string script, double timeout = 30, int restarts = 0)
    {
        using var reward = Shell(script, timeout, restarts);
        return Assert.Throws<InvalidOperationException>(() => reward.Score([Says("ab"), Says("cd")])).Message;
    }

    [Fact]
    public void A_program_scores_batch_after_batch_and_is_started_once()
    {
        // The score is the number of tokens, and a half. An awk for each line: some read ahead until their buffer is full.
        using var reward = Shell("""
            while read -r line; do printf '%s\n' "$line" | awk '{ match($0, /"id":[0-9]+/); id = substr($0, RSTART + 5, RLENGTH - 5)
            sub(/.*"tokens":\[/, ""); n = gsub(/","/, "") + 1; printf "{\"id\": %d, \"score\": %d.5}\n", id, n }'; done
            """);
        Assert.Equal([3.5, 2.5], reward.Score([Says("abc"), Says("x", ended: true)]).Select(s => s.Value));
        Assert.Equal([1.5], reward.Score([Says("hello", prompt: "a \"prompt\"\nof two lines é🙂")]).Select(s => s.Value));
        Assert.Empty(reward.Score([]));
    }

    [Fact]
    public void Answers_may_come_in_any_order_and_with_a_score_for_each_token()
    {
        using var reward = Shell("read -r a; read -r b; echo '{\"id\":1,\"score\":2,\"extra\":null}'; echo '{\"id\":0,\"score\":3,\"token_scores\":[1,2]}'; cat >/dev/null");
        var scores = reward.Score([Says("ab"), Says("cd")]);
        Assert.Equal([3, 2], scores.Select(s => s.Value));
        Assert.Equal([1, 2], scores[0].TokenCredit!);
        Assert.Null(scores[1].TokenCredit);
    }

    [Fact]
    public void A_large_batch_does_not_block_a_program_that_answers_while_it_reads()
    {
        using var reward = Shell(Loop + "echo \"{\\\"id\\\": $id, \\\"score\\\": $id}\"; done");
        var texts = Enumerable.Repeat(Says(new string('x', 2000)), 300).ToList();   // far more than a pipe holds
        Assert.Equal(Enumerable.Range(0, 300).Select(i => (double)i), reward.Score(texts).Select(s => s.Value));
    }

    [Fact]
    public void A_program_that_ends_is_started_anew_a_limited_number_of_times()
    {
        using var folder = new TemporaryFolder();
        string second = $"if test -e {folder.File("ran")}; then {Loop} echo \"{{\\\"id\\\": $id, \\\"score\\\": 1}}\"; done; fi; touch {folder.File("ran")}; exit 3";
        using (var reward = Shell(second, restarts: 1)) Assert.Equal([1, 1], reward.Score([Says("ab"), Says("cd")]).Select(s => s.Value));
        string message = Fault("echo out of memory >&2; echo really >&2; exit 3", restarts: 2);
        Assert.Contains("reward 'executable': the program 'sh -c echo out of memory", message, StringComparison.Ordinal);
        Assert.Contains("it ended before it had answered (its exit code was 3, its last error lines: out of memory | really). It was started 3 time(s)", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_program_that_hangs_is_killed()
    {
        Assert.Contains("it did not answer within 0.3 s (it was killed, it wrote no error)", Fault("read -r a; sleep 1000", timeout: 0.3), StringComparison.Ordinal);
        Assert.Contains("it did not answer within 0.3 s", Fault("sleep 1000", timeout: 0.3), StringComparison.Ordinal);              // does not even read
        Assert.Contains("it did not answer within 0.3 s", Fault("while :; do printf x; done", timeout: 0.3), StringComparison.Ordinal); // a line without an end
    }

    [Fact]
    public void One_that_never_stops_talking_ends_with_the_reward_too()
    {
        using var folder = new TemporaryFolder();
        var reward = Shell($"echo $$ > {folder.File("self")}; read -r a; echo '{{\"id\":0,\"score\":1}}'; while :; do echo; done");
        Assert.Equal(1, reward.Score([Says("a")])[0].Value);
        int id = int.Parse(File.ReadAllText(folder.File("self")));
        reward.Dispose();
        Assert.True(SpinWait.SpinUntil(() => !Runs(id), TimeSpan.FromSeconds(30)));
    }

    [Theory]
    [InlineData("echo hello", "it answered what is not JSON (NaN and Infinity are not): 'hello'")]
    [InlineData("echo '{\"id\":0,\"score\":NaN}'", "it answered what is not JSON")]
    [InlineData("echo '{\"id\":0,\"score\":1e999}'", "it answered what is not finite")]
    [InlineData("echo '{\"id\":0}'", "it answered what has no id and score, both numbers: '{\"id\":0}'")]
    [InlineData("echo '{\"id\":\"0\",\"score\":1}'", "it answered what has no id and score")]
    [InlineData("echo '[1]'", "it answered what has no id and score")]
    [InlineData("echo '{\"id\":7,\"score\":1}'", "it answered with the id 7, which was not asked; it was asked 0 to 1")]
    [InlineData("echo '{\"id\":0,\"score\":1}'; echo '{\"id\":0,\"score\":1}'", "it answered with the id 0, which it had answered before")]
    [InlineData("echo '{\"id\":0,\"score\":1,\"token_scores\":[1]}'", "it gave 1 token_scores for 2 tokens")]
    [InlineData("echo '{\"id\":0,\"score\":1,\"token_scores\":[\"a\",1]}'", "it answered token_scores that are no list of numbers")]
    [InlineData("echo '{\"id\":0,\"score\":1,\"token_scores\":5}'", "it answered token_scores that are no list of numbers")]
    public void What_is_no_answer_is_an_error_at_once(string script, string message) =>
        Assert.Contains(message, Fault("echo why >&2; " + script + "; cat >/dev/null", restarts: 5), StringComparison.Ordinal);

    [Fact]
    public void A_line_without_an_end_is_an_error_as_soon_as_it_is_too_long() => Assert.Contains("it wrote a line of more than 16777216 characters (",
        Fault("read -r a; head -c 17000000 /dev/zero | tr '\\0' x; cat >/dev/null", restarts: 5), StringComparison.Ordinal);

    [Fact]
    public void Texts_of_nothing_are_asked_about_too()
    {
        using var reward = Shell(Loop + "echo \"{\\\"id\\\": $id, \\\"score\\\": 1, \\\"token_scores\\\": []}\"; done");
        Assert.Equal(1, reward.Score([Says("")])[0].Value);
    }

    [Fact]
    public void No_program_that_ended_or_was_killed_is_left_as_a_zombie()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "zombies are counted in /proc");
        Fault("exit 3", restarts: 4);
        Fault("sleep 1000 & read -r a; sleep 1000", timeout: 0.2, restarts: 2);
        Fault("echo hello; cat >/dev/null");
        Assert.True(SpinWait.SpinUntil(() => Zombies() == 0, TimeSpan.FromSeconds(30)), $"{Zombies()} zombies");

        static int Zombies() => Directory.GetDirectories("/proc").Count(folder => int.TryParse(Path.GetFileName(folder), out _) && IsOurZombie(folder));

        static bool IsOurZombie(string folder)
        {
            try
            {
                string stat = File.ReadAllText(Path.Combine(folder, "stat"));       // id (name) state parent ...
                return stat[(stat.LastIndexOf(')') + 2)..].Split(' ') is ["Z", var parent, ..] && parent == $"{Environment.ProcessId}";
            }
            catch (IOException)
            {
                return false; // gone meanwhile
            }
        }
    }

    [Fact]
    public void What_cannot_be_started_is_named()
    {
        using var reward = new ExecutableReward(new() { Command = "/no/such/program" });
        Assert.Contains("'/no/such/program' cannot be started", Assert.Throws<InvalidOperationException>(() => reward.Score([Says("a")])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_program_and_all_it_started_end_with_the_reward()
    {
        using var folder = new TemporaryFolder();
        var reward = Shell($"sleep 1000 & echo $! > {folder.File("child")}; echo $$ > {folder.File("self")}; {Loop} echo \"{{\\\"id\\\": $id, \\\"score\\\": 1}}\"; done");
        reward.Score([Says("a")]);
        int[] ids = [.. ((string[])["self", "child"]).Select(name => int.Parse(File.ReadAllText(folder.File(name))))];
        Assert.All(ids, id => Assert.True(Runs(id)));
        reward.Dispose();
        Assert.All(ids, id => Assert.True(SpinWait.SpinUntil(() => !Runs(id), TimeSpan.FromSeconds(30))));
        reward.Dispose();
    }

    [Fact]
    public void Cancelling_ends_the_wait_and_the_next_batch_begins_afresh()
    {
        using var folder = new TemporaryFolder();
        using var reward = Shell($"if test -e {folder.File("ran")}; then {Loop} echo \"{{\\\"id\\\": $id, \\\"score\\\": $id}}\"; done; fi; touch {folder.File("ran")}; sleep 1000");
        using (var cancellation = new CancellationTokenSource())
        {
            cancellation.CancelAfter(TimeSpan.FromSeconds(0.2));
            Assert.ThrowsAny<OperationCanceledException>(() => reward.Score([Says("a"), Says("b")], cancellation.Token));
        }
        File.WriteAllText(folder.File("ran"), "");                                    // whether or not it got that far
        Assert.Equal([2, 3], reward.Score([Says("a"), Says("b")]).Select(s => s.Value)); // answers to the first batch are not taken for these
    }

    private static bool Runs(int id)
    {
        try
        {
            using var process = Process.GetProcessById(id);
            // A child whose parent is gone waits for whoever reaps it.
            return !File.Exists($"/proc/{id}/stat") || !File.ReadAllText($"/proc/{id}/stat").Contains(") Z", StringComparison.Ordinal);
        }
        catch (Exception e) when (e is ArgumentException or IOException)
        {
            return false;
        }
    }
}
