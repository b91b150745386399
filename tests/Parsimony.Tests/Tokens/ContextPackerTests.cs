using CsCheck;
using Parsimony.Text;
using Parsimony.Tokens;
using TorchSharp;
using Xunit;

namespace Parsimony.Tests.Tokens;

public sealed class ContextPackerTests
{
    private static readonly Tokenizer Tiny = TinyTokenizer.Load();

    [Fact]
    public void End_of_text_follows_each_document_and_the_tail_is_dropped()
    {
        TextPiece[] pieces = [new("hello", true), new("hello", false), new(" hello", true), new("help", true)];
        // 260 0 | 260 261 | 0 257 | 109 113 | 0
        Assert.Equal([[260, 0], [260, 261], [0, 257], [109, 113]], ContextPacker.Pack(pieces, Tiny, 2));
    }

    [Fact]
    public void A_stream_drops_nothing_and_has_end_of_text_between_documents_only()
    {
        var stream = ContextPacker.Stream([new("hello", true), new("hello", false), new(" hello", true), new("help", true)], Tiny);
        Assert.Equal([260, 0, 260, 261, 0, 257, 109, 113], stream.Ids);
        Assert.Equal(3, stream.Documents);
        var begun = TinyTokenizer.Load(json => json["pre_tokenizer"]!["add_prefix_space"] = true);
        Assert.Equal([261, 11, 260], ContextPacker.Stream([new("hello", false), new("\nhello", true)], begun).Ids);
    }

    [Fact]
    public void A_document_in_pieces_is_packed_as_if_it_were_whole()
    {
        var word = TokenizerTests.AnyText.Select(text => text.Length > 8 ? text[..8] : text);
        var space = Gen.OneOf(" ", "\n", "  ", "\r\n", "    ", " \n");
        Gen.Select(word, space).Array[1, 30].Sample(words =>
        {
            string text = string.Concat(words.Select(w => "x" + w.Item1 + "x" + w.Item2));     // a good place within any 40
            List<TextPiece> pieces = [];
            for (int at = 0, n; at < text.Length; at += n)
            {
                n = SafeCut.Length(text.AsSpan(at), 40);
                pieces.Add(new(text.Substring(at, n), at + n == text.Length));
            }
            return ContextPacker.Pack(pieces, Tiny, 1).Select(c => c[0]).SequenceEqual([.. Tiny.Encode(text), 0]);
        }, iter: 1000, threads: 1);
    }

    [Fact]
    public void A_later_piece_gets_no_prefix_space()
    {
        var prefixed = TinyTokenizer.Load(json => json["pre_tokenizer"]!["add_prefix_space"] = true);
        TextPiece[] pieces = [new("hello", false), new("\nhello", true), new("hello", true)];
        Assert.Equal([261, 11, 260, 0, 261, 0], ContextPacker.Pack(pieces, prefixed, 1).Select(c => c[0]));
    }

    [Fact]
    public void Packing_reads_no_further_than_it_must()
    {
        static IEnumerable<TextPiece> Endless()
        {
            while (true) yield return new("hello", true);
        }
        Assert.Equal([260, 0, 260], ContextPacker.Pack(Endless(), Tiny, 3).First());
    }

    [Fact]
    public void A_file_gives_whole_contexts_up_to_the_limit()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("a.txt"), "hello\n<|endoftext|>\n hello\n---\nhello");
        Assert.Equal([[260, 0], [261, 11]], ContextPacker.PackFile(folder.File("a.txt"), Tiny, 2, limit: 2));
        Assert.Equal([[260, 11, 0], [11, 261, 0]],
            ContextPacker.PackFile(folder.File("a.txt"), Tiny, 3, new TextOptions { Separator = "---" }, limit: 2));
    }

    [Fact]
    public void A_side_of_a_file_gives_whole_contexts_and_says_from_how_many_documents()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("a.txt");
        File.WriteAllText(path, string.Join("\n<|endoftext|>\n", ["hello", "help", "hello", "hello", "help"])); // at 0.1 the latter are held out
        var (hello, help) = (new TextSplit(0.1, TextSide.Training), new TextSplit(0.1, TextSide.HeldOut));
        var text = Corpus.Open(path);
        var (contexts, documents, _) = ContextPacker.Pack(text, Tiny, 2, hello);
        Assert.Equal([[260, 0], [260, 0], [260, 0]], contexts);
        Assert.Equal(3, documents);
        (contexts, documents, _) = ContextPacker.Pack(text, Tiny, 4, help);
        Assert.Equal([[257, 109, 113, 0], [257, 109, 113, 0]], contexts);
        Assert.Equal(2, documents);
        (contexts, documents, _) = ContextPacker.Pack(text, Tiny, 2, hello, limit: 2);
        Assert.Equal((2, 2), (contexts.Count, documents));
        Assert.Equal($"The training side of '{path}' (10 % of its documents are to be held out) has 3 documents of 6 tokens (end-of-text included), but one context needs 20. "
            + "Give a text of more documents (in a .txt they stand between lines of '<|endoftext|>'), another fraction or a smaller sequence length.",
            Assert.Throws<InvalidDataException>(() => ContextPacker.Pack(text, Tiny, 20, hello)).Message);
    }

    [Fact]
    public void A_text_shorter_than_a_context_is_refused_with_both_lengths()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("a.txt");
        File.WriteAllText(path, "hello");
        var error = Assert.Throws<InvalidDataException>(() => ContextPacker.PackFile(path, Tiny, 128));
        Assert.Equal($"'{path}' has 2 tokens (end-of-text included), but one context needs 128. Give a longer text or a smaller sequence length.", error.Message);
        Assert.Throws<ArgumentOutOfRangeException>(() => ContextPacker.PackFile(path, Tiny, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => ContextPacker.Pack([], Tiny, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => ContextPacker.PackFile(path, Tiny, 1, limit: 0));
    }

    [Fact]
    public void Contexts_become_a_tensor_of_int64()
    {
        using var tokens = ContextPacker.ToTensor([[1, 2, 3], [4, 5, 6]]);
        Assert.Equal([2, 3], tokens.shape);
        Assert.Equal(torch.ScalarType.Int64, tokens.dtype);
        Assert.Equal([1, 2, 3, 4, 5, 6], tokens.data<long>().ToArray());
        Assert.Throws<ArgumentException>(() => ContextPacker.ToTensor([]));
        Assert.Throws<ArgumentException>(() => ContextPacker.ToTensor([[1, 2], [3]]));
    }
}
