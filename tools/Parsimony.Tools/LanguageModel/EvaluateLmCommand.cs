using System.CommandLine;
using Parsimony.Models;
using Parsimony.Native;
using Parsimony.Tokens;
using Parsimony.Tools.Corpus;

namespace Parsimony.Tools.LanguageModel;

/// <summary><c>evaluate-lm</c>: the held-out bits per byte of a model folder, as its card states them.</summary>
internal static class EvaluateLmCommand
{
    public static Command Make()
    {
        var data = BookOptions.Data();
        var folder = BookOptions.Model();
        var threads = BookOptions.Threads();
        var command = new Command("evaluate-lm", "Measure a model folder on the books that were held out.") { data, folder, threads };
        command.SetAction(parsed =>
        {
            TorchRuntime.EnsureLoaded();
            TorchRuntime.UseThreads(parsed.GetValue(threads));
            string path = parsed.GetValue(folder)!;
            using var model = Transformer.Load(path);
            var tokenizer = Tokenizer.Load(path);
            var heldOut = Books.Read(parsed.GetValue(data)!).Where(b => Books.HeldOut.Contains(b.Name)).ToList();
            foreach (var book in heldOut) Print(book.Name, [book]);
            Print("all", heldOut);

            void Print(string name, List<Book> books)
            {
                var text = BookTokens.Encode(books, tokenizer);
                double bits = new HeldOutLoss(text.Ids, text.Bytes).BitsPerByte(model, model.Config.MaxSequenceLength);
                double nats = bits * Math.Log(2) * text.Bytes / (text.Ids.Length - 1);
                Console.WriteLine($"{bits:f4} bits per byte  {nats:f4} nats per token  {text.Bytes} bytes  {name}");
            }
        });
        return command;
    }
}
