using Microsoft.Data.Sqlite;
using Parsimony.Exploration.Labels;
using Xunit;

namespace Parsimony.Tests.Exploration.Labels;

/// <summary>Labels are kept as they were given, for one SAE, whoever writes at the same time.</summary>
public sealed class LabelStoreTests : IDisposable
{
    private const string Sae = "AA5AE0000000000000000";
    private static readonly PredictorScore Half = new(new(1, 1, 1, 1), new(2, 0, 2, 0), 0.25, -0.5), Whole = new(new(2, 0, 2, 0), new(2, 0, 2, 0), null, null);
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void What_a_person_says_is_kept_part_by_part_and_taken_away_by_an_empty_text()
    {
        using var store = Open();
        Assert.Equal(new LatentLabels { Latent = 3 }, store.Get(3) with { Automatic = new LatentLabels { Latent = 3 }.Automatic });
        store.Set(3, label: "  <b>dogs</b> & 'cats' \u6f22\U0001F9A6; DROP TABLE hand;-- ");
        store.Set(3, note: "seen in\ntwo lines", star: true);
        var said = store.Set(3);
        Assert.Equal(("<b>dogs</b> & 'cats' \u6f22\U0001F9A6; DROP TABLE hand;--", "seen in\ntwo lines", true), (said.Hand, said.Note, said.Star));
        Assert.NotNull(said.Changed);
        store.Set(1, star: true);
        Assert.Equal([1, 3], store.Starred());
        said = store.Set(3, label: "", star: false);
        Assert.Equal((null, "seen in\ntwo lines", false), (said.Hand, said.Note, said.Star));
        Assert.Null(store.Set(3, note: "").Changed);
        Assert.Equal([1], store.Starred());
    }

    [Fact]
    public void Automatic_labels_take_the_place_of_older_ones_of_their_method_and_are_read_as_they_were_written()
    {
        AutomaticLabel tokens = Label(5, LabelMethod.Tokens, "fires on ' dog'", new(Half, Whole, Half)), pattern = Label(5, LabelMethod.Pattern, "' the dog'", new(Whole, Half, null)), nothing = Label(6, LabelMethod.Pattern, "", null);
        using (var store = Open())
        {
            store.Keep([Label(5, LabelMethod.Tokens, "older", null)]);
            store.Keep([pattern, tokens, nothing]);
        }
        using var again = Open();
        Assert.Equal([tokens, pattern], again.Automatic(5));
        Assert.Empty(again.Automatic(6)); // found nothing, but was tried
        Assert.Equal([5, 6], again.Tried(LabelMethod.Pattern).Order());
        Assert.Equal("' the dog'", again.Get(5).Best); // the better score
        again.Keep([Label(5, LabelMethod.Explainer, "dogs", null) with { Model = "m" }]);
        Assert.Equal("dogs", again.Get(5).Best);
        Assert.Equal("by hand", again.Set(5, "by hand").Best);
        Assert.Null(again.Get(7).Best);
        Assert.Equal((1, 0), (again.Tried(LabelMethod.Explainer, "m").Count, again.Tried(LabelMethod.Explainer, "other").Count));
    }

    [Fact]
    public void A_page_of_latents_comes_in_the_order_asked_for()
    {
        using var store = Open();
        store.Set(9, "nine");
        store.Keep([Label(2, LabelMethod.Tokens, "two", null)]);
        var page = store.Get([9, 4, 2]);
        Assert.Equal([9, 4, 2], page.Select(l => l.Latent));
        Assert.Equal(["nine", null, "two"], page.Select(l => l.Best));
        Assert.Empty(store.Get([]));
        Assert.Equal(20, store.Get([.. Enumerable.Range(0, 20)]).Count);
    }

    [Fact]
    public void A_text_is_found_in_labels_and_notes_in_any_case_of_any_letters_and_with_no_wild_cards()
    {
        using var store = Open();
        store.Set(7, "100 % \u00c9t\u00e9", "a note of DOGS");
        store.Keep([Label(3, LabelMethod.Tokens, "fires on ' Dogs'", null), Label(4, LabelMethod.Pattern, "' dogs_x'", null)]);
        Assert.Equal([new(7, null, "a note of DOGS"), new(3, LabelMethod.Tokens, "fires on ' Dogs'"), new(4, LabelMethod.Pattern, "' dogs_x'")], store.Find("dogs"));
        Assert.Equal(7, Assert.Single(store.Find("\u00e9T\u00c9")).Latent);
        Assert.Equal(7, Assert.Single(store.Find("%")).Latent);
        Assert.Equal(4, Assert.Single(store.Find("_")).Latent);
        Assert.Empty(store.Find(""));
        Assert.Single(store.Find("dogs", most: 1));
    }

    [Fact]
    public void Another_SAEs_store_and_what_is_none_are_refused_by_name_and_left_as_they_are()
    {
        Open().Dispose();
        string file = folder.File(LabelStore.FileName);
        Assert.Contains("another SAE: SHA-256 aa5ae0000000…, this one has bbb", Assert.Throws<InvalidDataException>(() => LabelStore.Open(folder.Path, "bbb", 20)).Message, StringComparison.Ordinal);
        Open().Dispose();
        File.Delete(file);
        Assert.Null(LabelStore.OpenExisting(folder.Path, Sae, 20));
        Assert.False(File.Exists(file));
        File.WriteAllText(file, new string('x', 5000));
        Assert.Contains("no label store", Assert.Throws<InvalidDataException>(Open).Message, StringComparison.Ordinal);
        Assert.Equal(5000, new FileInfo(file).Length);
        File.Delete(file);
        using (var other = new SqliteConnection($"Data Source={file};Pooling=False"))
        {
            other.Open();
            using var command = other.CreateCommand();
            command.CommandText = "CREATE TABLE about (x)";
            command.ExecuteNonQuery();
        }
        Assert.Contains("no label store", Assert.Throws<InvalidDataException>(Open).Message, StringComparison.Ordinal);
        Assert.Throws<DirectoryNotFoundException>(() => LabelStore.Open(folder.File("nothing"), Sae, 20));
        Directory.CreateDirectory(Path.Combine(folder.File("folder"), LabelStore.FileName));
        Assert.Contains("cannot be opened", Assert.Throws<IOException>(() => LabelStore.Open(folder.File("folder"), Sae, 20)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Wrong_latents_and_texts_that_cannot_be_kept_are_refused_in_a_sentence()
    {
        using var store = Open();
        Assert.Contains("latents 0 to 19", Assert.Throws<ArgumentOutOfRangeException>(() => store.Set(20, "x")).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => store.Get(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => store.Keep([Label(20, LabelMethod.Tokens, "x", null)]));
        Assert.Contains("201 characters; 200 at most", Assert.Throws<ArgumentException>(() => store.Set(0, new string('x', 201))).Message, StringComparison.Ordinal);
        Assert.Contains("several lines", Assert.Throws<ArgumentException>(() => store.Set(0, "a\nb")).Message, StringComparison.Ordinal);
        Assert.Contains("half a character at place 1", Assert.Throws<ArgumentException>(() => store.Set(0, "a\ud83dz")).Message, StringComparison.Ordinal);
        Assert.Contains("control character", Assert.Throws<ArgumentException>(() => store.Set(0, note: "a\0b")).Message, StringComparison.Ordinal);
        Assert.Contains("4000 at most", Assert.Throws<ArgumentException>(() => store.Set(0, note: new string('x', 4001))).Message, StringComparison.Ordinal);
        Assert.Contains("1000 at most", Assert.Throws<ArgumentException>(() => store.Keep([Label(1, LabelMethod.Tokens, "ok", null), Label(0, LabelMethod.Tokens, new string('x', 1001), null)])).Message, StringComparison.Ordinal);
        Assert.Empty(store.Automatic(1)); // all or none
        store.Set(0, new string('\u6f22', 200));
        Assert.Equal(200, store.Get(0).Hand!.Length);
    }

    [Fact]
    public void Scores_take_few_bytes_and_damaged_ones_are_refused()
    {
        var scores = new LabelScores(Half, Whole, null);
        Assert.Equal("[[1,1,1,1,2,0,2,0,0.25,-0.5],[2,0,2,0,2,0,2,0,null,null],null]", ScoreText.Write(scores));
        Assert.Equal(scores, ScoreText.Read(ScoreText.Write(scores)!));
        foreach (string bad in (string[])["", "[]", "{}", "[[1],[2],null]", "[[1,1,1,1,2,0,2,0,0,0],[2,0,2,null,2,0,2,0,0,0],null]"])
            Assert.Contains("damaged", Assert.Throws<InvalidDataException>(() => ScoreText.Read(bad)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Many_writers_and_readers_at_once_lose_nothing()
    {
        using LabelStore first = Open(), second = Open(); // as two processes would
        await Task.WhenAll(Enumerable.Range(0, 8).Select(writer => Task.Run(() =>
        {
            var store = writer % 2 == 0 ? first : second;
            for (int i = 0; i < 25; i++)
            {
                store.Set(writer, label: $"{writer}:{i}");
                store.Set(writer + 8, note: $"{writer}:{i}", star: true);
                store.Keep([Label(writer, LabelMethod.Tokens, $"t{i}", null), Label(writer, LabelMethod.Pattern, $"t{i}", null)]);
                var seen = store.Get([.. Enumerable.Range(0, 20)]);
                Assert.All(seen, l => Assert.InRange(l.Automatic.DistinctBy(a => a.Text).Count(), 0, 1)); // both of a writing, or none
            }
        })));
        Assert.Equal(Enumerable.Range(0, 8).Select(w => $"{w}:24"), first.Get([.. Enumerable.Range(0, 8)]).Select(l => l.Hand));
        Assert.Equal(Enumerable.Range(8, 8), second.Starred());
    }

    [Fact]
    public async Task A_store_is_begun_by_many_at_once()
    {
        await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Task.Run(() =>
        {
            using var store = Open();
            store.Set(i, $"{i}");
        })));
        using var all = Open();
        Assert.Equal(Enumerable.Range(0, 8).Select(i => $"{i}"), all.Get([.. Enumerable.Range(0, 8)]).Select(l => l.Hand));
    }

    private static AutomaticLabel Label(int latent, LabelMethod method, string text, LabelScores? scores) =>
        new() { Latent = latent, Method = method, Text = text, Scores = scores, Made = new(2026, 11, 29, 12, 0, 0, TimeSpan.FromHours(1)) };

    private LabelStore Open() => LabelStore.Open(folder.Path, Sae, 20);
}
