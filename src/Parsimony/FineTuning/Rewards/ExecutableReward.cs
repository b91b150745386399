using System.Diagnostics;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Parsimony.FineTuning.Rewards;

/// <summary>
/// A reward that a program gives. It is started once, at the first batch, and is written one JSON object on a line for each text, <c>{"id": 7, "prompt":
/// "...", "text": "...", "tokens": ["...", ...]}</c> (the tokens' own texts); it answers each, in any order, with <c>{"id": 7, "score": 0.5}</c>, and if
/// it likes <c>"token_scores": [...]</c>, one for each token, which add up to the score. It must write its answers out at once (flush).
/// </summary>
/// <remarks>One that ends or hangs is started anew and given the batch again, a limited number of times. An answer that is none is an error at once.</remarks>
public sealed class ExecutableReward : IReward, IDisposable
{
    private const string OneLine = "Each answer must be one line such as {\"id\": 7, \"score\": 0.5}; write all else to standard error.";
    private static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private readonly ExecutableRewardOptions options;
    private LineProcess? process;
    private long nextId;
    private int restarts;

    /// <summary>A reward by a program; it is not started yet.</summary>
    /// <exception cref="ArgumentException">The options have faults.</exception>
    public ExecutableReward(ExecutableRewardOptions options, string name = "executable") => (this.options, Name) = (options.Validated(), name);

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">The program cannot be started, ended or hung once too often, or answered what is no answer; the message names
    /// it, its exit code and its last error lines.</exception>
    public IReadOnlyList<RewardScore> Score(IReadOnlyList<RewardText> texts, CancellationToken cancellation = default)
    {
        if (texts.Count == 0) return [];
        while (true)
        {
            process ??= new LineProcess(options.Command, options.Arguments);
            bool done = false;
            try
            {
                if (Answers(texts, cancellation) is { } scores)
                {
                    done = true;
                    return scores;
                }
                bool ended = process.Ended;
                if (ended && process.Endless is { } endless) throw Fault(endless, OneLine);
                if (restarts < options.MaxRestarts) restarts++;
                else throw Fault(ended ? "it ended before it had answered" : $"it did not answer within {options.TimeoutSeconds} s",
                    $"It was started {restarts + 1} time(s); test it by hand with one line, and see that it flushes its output, or raise timeout_seconds.");
            }
            finally
            {
                if (!done) Stop(); // answers to this batch must never be taken for those to another
            }
        }
    }

    /// <summary>Kills the program and all it started.</summary>
    public void Dispose() => Stop();

    /// <summary>The scores of a batch; null where the program ended or hung.</summary>
    private RewardScore[]? Answers(IReadOnlyList<RewardText> texts, CancellationToken cancellation)
    {
        long first = nextId;
        nextId += texts.Count;
        _ = process!.Write([.. texts.Select((text, i) => Request(first + i, text))]);
        var scores = new RewardScore?[texts.Count];
        var clock = Stopwatch.StartNew();
        for (int answered = 0; answered < texts.Count; answered++)
        {
            if (process.Next(TimeSpan.FromSeconds(options.TimeoutSeconds) - clock.Elapsed, cancellation) is not { } line) return null;
            var (id, score) = Read(line);
            long i = id - first;
            if (i < 0 || i >= texts.Count || scores[i] is not null) throw Fault($"it answered with the id {id}, which "
                + (i >= 0 && i < texts.Count ? "it had answered before" : $"was not asked; it was asked {first} to {nextId - 1}"), "Give each answer the id of its question.");
            if (score.TokenCredit is { } credit && credit.Length != texts[(int)i].Tokens.Length) throw Fault(
                $"it gave {credit.Length} token_scores for {texts[(int)i].Tokens.Length} tokens", "Give one for each token, or none.");
            scores[i] = score;
        }
        return [.. scores.Select(s => s!.Value)];
    }

    private static string Request(long id, RewardText text) =>
        JsonSerializer.Serialize(new { id, prompt = text.Prompt, text = text.Text, tokens = text.TokenTexts() }, Plain);

    private (long Id, RewardScore Score) Read(string line)
    {
        string what;
        try
        {
            using var json = JsonDocument.Parse(line);
            var answer = json.RootElement;
            if (answer.ValueKind is JsonValueKind.Object && answer.TryGetProperty("id", out var id) && id.ValueKind is JsonValueKind.Number && id.TryGetInt64(out long number)
                && answer.TryGetProperty("score", out var score) && score.ValueKind is JsonValueKind.Number)
            {
                double[]? credit = answer.TryGetProperty("token_scores", out var all) && all.ValueKind is not JsonValueKind.Null
                    ? [.. all.EnumerateArray().Select(n => n.GetDouble())] : null;
                double value = score.GetDouble();
                if (double.IsFinite(value) && (credit?.All(double.IsFinite) ?? true)) return (number, new RewardScore(value, credit));
                what = "what is not finite";
            }
            else what = "what has no id and score, both numbers";
        }
        catch (JsonException)
        {
            what = "what is not JSON (NaN and Infinity are not)";
        }
        catch (InvalidOperationException)
        {
            what = "token_scores that are no list of numbers";
        }
        throw Fault($"it answered {what}: '{(line.Length <= 200 ? line : line[..200] + "...")}'", OneLine);
    }

    private InvalidOperationException Fault(string what, string advice) =>
        new($"reward '{Name}': the program '{string.Join(' ', options.Arguments.Prepend(options.Command))}' cannot be used: {what} ({process!.EndAndTell()}). {advice}");

    private void Stop()
    {
        process?.Dispose();
        process = null;
    }
}
