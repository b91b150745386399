using Parsimony.Exploration.Labels;
using Parsimony.Exploration.Labels.Explain;
using Xunit;

namespace Parsimony.Tests.Exploration.Labels;

/// <summary>A language model behind an address: what it is asked, how its answers are read, and what becomes of its faults.</summary>
public sealed class ExplainerTests : IDisposable
{
    private readonly SomeLatents some = new();

    public void Dispose() => some.Dispose();

    [Fact]
    public void A_model_is_shown_marked_windows_and_its_label_is_scored_by_what_it_says_of_others()
    {
        var labeller = some.Labeller();
        int latent = some.Alive().First(i => labeller.Windows(i) is not null);
        var windows = labeller.Windows(latent)!;
        var truth = windows.Windows.Select(w => (ExplainerPrompts.Piece(w.Tokens, [], some.Tokenizer), w.Fires)).Concat(windows.Marks.Select(m => (ExplainerPrompts.Piece(m.Window.Tokens, m.Marks, some.Tokenizer), m.IsRight)))
            .DistinctBy(p => p.Item1).ToDictionary(p => p.Item1, p => p.Item2);
        using var chat = new FakeChat(asked => asked.StartsWith("Label: ", StringComparison.Ordinal)
            ? $"Sure! [{string.Join(", ", asked.Split('\n').Where(l => l.StartsWith("Piece ", StringComparison.Ordinal)).Select(l => truth[l[(l.IndexOf(": ", StringComparison.Ordinal) + 2)..]] ? 1 : 0))}]"
            : "They share much.\n[LABEL]: first thought\n**[LABEL]: things of <b>one</b> kind**\n");
        using var explainer = Of(chat, key: "s3cret");
        var label = explainer.Explain(labeller, latent)!;
        Assert.Equal(("things of <b>one</b> kind", "some-model", LabelMethod.Explainer), (label.Text, label.Model, label.Method));
        Assert.Equal((1, 1), (label.Scores!.Label.Detection.BalancedAccuracy, label.Scores.Label.Fuzzing.BalancedAccuracy));
        Assert.Equal((windows.Windows.Count, windows.Marks.Count), (label.Scores.Label.Detection.Positives + label.Scores.Label.Detection.Negatives, label.Scores.Label.Fuzzing.Positives + label.Scores.Label.Fuzzing.Negatives));
        Assert.Null(label.Scores.Label.Pearson);
        Assert.Equal(labeller.PeakToken(latent, windows), label.Scores.PeakToken);

        var (path, authorization, body) = chat.Requests.First();
        Assert.Equal(("/v1/chat/completions", "Bearer s3cret"), (path, authorization));
        Assert.Equal((0, "some-model"), (body["temperature"]!.GetValue<int>(), body["model"]!.GetValue<string>()));
        string asked = body["messages"]![1]!["content"]!.GetValue<string>();
        Assert.Contains("Piece 1: ", asked, StringComparison.Ordinal);
        Assert.Contains(": 10)", asked, StringComparison.Ordinal); // the strongest context's peak
        var shown = chat.Requests.Skip(1).Select(r => r.Body["messages"]!.AsArray()[^1]!["content"]!.GetValue<string>()).ToList();
        foreach (var made in labeller.Examples(latent).Making)
            Assert.DoesNotContain(shown, s => s.Contains(ExplainerPrompts.Piece([.. made.Tokens.Select(t => t.Id)], [], some.Tokenizer), StringComparison.Ordinal));
    }

    [Fact]
    public void Answers_that_cannot_be_read_are_counted_and_left_out()
    {
        var labeller = some.Labeller();
        int latent = some.Alive().First(i => labeller.Windows(i) is not null);
        using (var mute = new FakeChat(_ => "I would rather talk about something else."))
        using (var explainer = Of(mute))
        {
            Assert.Null(explainer.Explain(labeller, latent));
            Assert.Equal((1, 1), (explainer.UnreadLabels, mute.Requests.Count));
            Assert.Null(mute.Requests.First().Authorization);
        }
        int sheet = 0;
        using var vague = new FakeChat(asked => !asked.StartsWith("Label: ", StringComparison.Ordinal) ? "[LABEL]: x" : Interlocked.Increment(ref sheet) % 2 == 0 ? "[1, 0]" : "[1, 1, 1, 1, 1]");
        using (var explainer = Of(vague))
        {
            var label = explainer.Explain(labeller, latent)!;
            Assert.InRange(explainer.UnreadSheets, 1, vague.Requests.Count - 2);
            if (label.Scores is { } scores) Assert.Equal(0.5, scores.Label.Detection.BalancedAccuracy);
        }
        Assert.Equal([true, false], ExplainerPrompts.Answers("so: [1, 0] or [0, 0]", 2)!);
        foreach (string bad in (string[])["", "[1]", "[1, 2]", "[yes, no]", "1, 0", "[1, 0", "[]"]) Assert.Null(ExplainerPrompts.Answers(bad, 2));
        foreach (string bad in (string[])["", "[LABEL]:", "[LABEL]: **", "no label"]) Assert.Null(ExplainerPrompts.Label(bad));
        Assert.Equal([0, 4, 10, 10, 0], ((double[])[0, 1.99, 4, 9, 0.39]).Select(a => ExplainerPrompts.Tenths(a, 4)));
    }

    [Fact]
    public void A_busy_service_is_asked_again_and_one_that_stays_so_is_given_up_in_a_sentence()
    {
        var labeller = some.Labeller();
        int latent = some.Alive()[0];
        using var chat = new FakeChat(_ => "[LABEL]: x");
        chat.Instead.Enqueue(r => (r.StatusCode, r.Headers["Retry-After"]) = (429, "0"));
        chat.Instead.Enqueue(r => r.StatusCode = 503);
        using (var explainer = Of(chat, scores: false)) Assert.Equal("x", explainer.Explain(labeller, latent)!.Text);
        Assert.Equal(3, chat.Requests.Count);
        for (int i = 0; i < 3; i++) chat.Instead.Enqueue(r => r.StatusCode = 500);
        using (var explainer = Of(chat, scores: false)) Assert.Contains("tried 3 times: it answers 500", Assert.Throws<IOException>(() => explainer.Explain(labeller, latent)).Message, StringComparison.Ordinal);
        chat.Hangs = true;
        using (var explainer = Of(chat, scores: false, seconds: 0.2)) Assert.Contains("no answer in 0.2 s", Assert.Throws<IOException>(() => explainer.Explain(labeller, latent)).Message, StringComparison.Ordinal);
        using (var stop = new CancellationTokenSource(100))
        using (var explainer = Of(chat, scores: false)) Assert.ThrowsAny<OperationCanceledException>(() => explainer.Explain(labeller, latent, stop.Token));
        chat.Dispose();
        using (var explainer = Of(chat, scores: false)) Assert.Contains("tried 3 times", Assert.Throws<IOException>(() => explainer.Explain(labeller, latent)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Refusals_nonsense_and_redirects_end_at_once_in_a_sentence()
    {
        var labeller = some.Labeller();
        int latent = some.Alive()[0];
        using var chat = new FakeChat(_ => "[LABEL]: x");
        string Refused<T>(Action<System.Net.HttpListenerResponse> instead, string? key = null)
            where T : Exception
        {
            chat.Instead.Enqueue(instead);
            using var explainer = Of(chat, key, scores: false);
            return Assert.Throws<T>(() => explainer.Explain(labeller, latent)).Message;
        }
        Assert.Contains("no key is given; set PARSIMONY_EXPLAINER_KEY", Refused<UnauthorizedAccessException>(r => r.StatusCode = 401), StringComparison.Ordinal);
        Assert.Contains("may not do this", Refused<UnauthorizedAccessException>(r => r.StatusCode = 403, "k"), StringComparison.Ordinal);
        Assert.Contains("'some-model'", Refused<InvalidDataException>(r => r.StatusCode = 404), StringComparison.Ordinal);
        Assert.Contains("neither key nor text goes", Refused<InvalidDataException>(r => (r.StatusCode, r.Headers["Location"]) = (302, "http://127.0.0.1:1/elsewhere"), "k"), StringComparison.Ordinal);
        foreach (string nonsense in (string[])["<html>no</html>", "", "[]", "{}", "{\"choices\":[]}", "{\"choices\":[{\"message\":{\"content\":null}}]}", "{\"choices\":7}"])
            Assert.Contains("as no OpenAI-compatible service does", Refused<InvalidDataException>(r => FakeChat.Send(r, nonsense)), StringComparison.Ordinal);
        Assert.Equal(11, chat.Requests.Count); // none was tried again
    }

    [Fact]
    public void An_address_without_a_model_or_with_a_password_in_it_is_refused_and_no_address_is_none()
    {
        Assert.Contains("endpoint_model is null", Assert.Throws<ArgumentException>(() => new ExplainerOptions { Endpoint = "http://a/v1" }.Validated()).Message, StringComparison.Ordinal);
        Assert.Contains("endpoint is null", Assert.Throws<ArgumentException>(() => new ExplainerOptions { EndpointModel = "m" }.Validated()).Message, StringComparison.Ordinal);
        foreach (string bad in (string[])["localhost:8000", "ftp://a", "http://me:secret@a/v1", "http://a/v1?key=x", ""])
            Assert.Contains("PARSIMONY_EXPLAINER_KEY", Assert.Throws<ArgumentException>(() => new ExplainerOptions { Endpoint = bad, EndpointModel = "m" }.Validated()).Message, StringComparison.Ordinal);
        Assert.Contains("No endpoint is named", Assert.Throws<ArgumentException>(() => new Explainer(new(), some.Tokenizer, "k")).Message, StringComparison.Ordinal);
        Assert.Contains("no key has", Assert.Throws<ArgumentException>(() => new Explainer(new() { Endpoint = "http://a/v1", EndpointModel = "m" }, some.Tokenizer, "two\nlines")).Message, StringComparison.Ordinal);
    }

    private Explainer Of(FakeChat chat, string? key = null, bool scores = true, double seconds = 30) => new(
        new() { Endpoint = chat.Endpoint, EndpointModel = "some-model", EndpointScores = scores, EndpointTimeoutSeconds = seconds, EndpointTries = 3, FirstWait = TimeSpan.FromMilliseconds(1) }, some.Tokenizer, key);
}
