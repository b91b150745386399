using Parsimony.Tools.Corpus;
using Xunit;

namespace Parsimony.Tests.Tools;

public sealed class BooksTests
{
    [Fact]
    public void Chapters_are_what_stands_between_separator_lines() =>
        Assert.Equal(["One.\n\nTwo.", "A <|endoftext|> inside a line."],
            Books.Chapters("<|endoftext|>\nOne.\n\nTwo.\n<|endoftext|>\n\n<|endoftext|>\nA <|endoftext|> inside a line.\n"));

    [Fact]
    public void The_five_held_out_books_are_there()
    {
        var books = Books.Read(Shared.Path("data/children-pd"));
        Assert.Equal(156, books.Count);
        Assert.Equal(5, books.Count(b => Books.HeldOut.Contains(b.Name)));
    }

    [Fact]
    public void A_folder_without_books_is_refused_by_name() =>
        Assert.Contains("books.tar.gz", Assert.Throws<FileNotFoundException>(() => Books.Read(Path.GetTempPath() + "nothing")).Message, StringComparison.Ordinal);
}
