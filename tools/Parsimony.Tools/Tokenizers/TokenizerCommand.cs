using System.CommandLine;
using System.Diagnostics;
using Parsimony.Files;
using Parsimony.Tools.Corpus;

namespace Parsimony.Tools.Tokenizers;

/// <summary><c>tokenizer</c>: learns the byte-level BPE vocabulary from the books that are trained on.</summary>
internal static class TokenizerCommand
{
    public static Command Make()
    {
        var data = BookOptions.Data();
        var size = BookOptions.Number("--vocabulary-size", 4096, "tokens in all: end-of-text, 256 bytes, the merges");
        var output = BookOptions.Tokenizer();
        var command = new Command("tokenizer", "Learn the tokenizer and write its tokenizer.json.") { data, size, output };
        command.SetAction(parsed =>
        {
            var clock = Stopwatch.StartNew();
            var books = Books.Read(parsed.GetValue(data)!).Where(b => !Books.HeldOut.Contains(b.Name)).ToList();
            var vocabulary = BpeTrainer.Train(books.SelectMany(b => b.Chapters).Select(c => c.Normalize()), parsed.GetValue(size));
            AtomicFile.WriteText(parsed.GetValue(output)!, TokenizerJson.Write(vocabulary));
            Console.WriteLine($"{vocabulary.Tokens.Count} tokens from {books.Count} books in {clock.Elapsed.TotalSeconds:f1} s -> {parsed.GetValue(output)}");
        });
        return command;
    }
}
