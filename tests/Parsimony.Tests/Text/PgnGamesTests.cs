using System.Text;
using Parsimony.Text;
using Xunit;

namespace Parsimony.Tests.Text;

public sealed class PgnGamesTests
{
    [Fact]
    public void A_game_is_its_moves_on_one_line()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("a.pgn"), "[Event \"a\"]\r\n[Site \"b\"]\r\n\r\n1. e4 e5 { a\r\n[comment] } 2. Nf3\r\nNc6 1-0\r\n\r\n[Event \"empty\"]\r\n\r\n[Event \"c\"]\r\n\r\n1. d4 *\r\n% skipped\r\n1. c4 1/2-1/2\r\n1. f4");
        Assert.Equal(["1. e4 e5 { a [comment] } 2. Nf3 Nc6 1-0", "1. d4 *", "1. c4 1/2-1/2", "1. f4"], PlainTextTests.Whole(Documents.Read(folder.File("a.pgn"))));
    }

    [Fact]
    public void Games_as_Lichess_ships_them_are_read_also_from_a_zip()
    {
        string path = Shared.Path("data/chess/lichess_DannyTheDonkey_2019-01-29.pgn");
        var games = PlainTextTests.Whole(Documents.Read(path));
        Assert.Equal(File.ReadLines(path).Count(l => l.StartsWith("[Event ", StringComparison.Ordinal)), games.Count);
        Assert.StartsWith("1. d4 Nf6 2. c4 e6", games[0], StringComparison.Ordinal);
        Assert.All(games, game => Assert.Matches(@"^1\. .* (1-0|0-1|1/2-1/2|\*)$", game));
        Assert.Matches(@"^1\. ", Documents.Read(Shared.Path("data/chess/8moves_v3.pgn.zip")).Skip(1000).First().Text);
    }

    [Fact]
    public void A_zip_must_hold_one_text()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("a.pgn.zip");
        File.WriteAllText(path, "no zip");
        Assert.Contains("is not a whole zip file", Assert.Throws<InvalidDataException>(() => Documents.Read(path).Count()).Message, StringComparison.Ordinal);
        using (var zip = new System.IO.Compression.ZipArchive(File.Create(path), System.IO.Compression.ZipArchiveMode.Create))
            foreach (string name in (string[])["a.txt", "b.txt"]) zip.CreateEntry(name).Open().Dispose();
        Assert.Contains("has 2 text files in it; one is allowed", Assert.Throws<InvalidDataException>(() => Documents.Read(path).Count()).Message, StringComparison.Ordinal);
    }
}
