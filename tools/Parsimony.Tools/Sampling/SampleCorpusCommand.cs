using System.CommandLine;
using System.Diagnostics;
using Parsimony.Files;
using Parsimony.Models;
using Parsimony.Native;
using Parsimony.Tokens;
using Parsimony.Tools.Corpus;

namespace Parsimony.Tools.Sampling;

/// <summary><c>sample-corpus</c>: text drawn from the bundled model, for training the demo's autoencoder.</summary>
internal static class SampleCorpusCommand
{
    private static readonly CorpusOptions Defaults = new();

    public static Command Make()
    {
        var folder = BookOptions.Model();
        var output = new Option<string>("--output")
        {
            Description = "the text file; documents are separated by a line <|endoftext|>",
            DefaultValueFactory = _ => Path.Combine("assets", "demo", "corpus.txt"),
        };
        var bytes = BookOptions.Number("--bytes", Defaults.Bytes, "how much text, roughly");
        var temperature = BookOptions.Number("--temperature", Defaults.Temperature, "divides the logits");
        var topP = BookOptions.Number("--top-p", Defaults.TopP, "sum of the probabilities sampled from");
        var length = BookOptions.Number("--document-tokens", Defaults.DocumentTokens, "tokens a document may have, roughly");
        var rows = BookOptions.Number("--rows", Defaults.Rows, "documents written side by side; another number gives another text");
        var seed = BookOptions.Number("--seed", Defaults.Seed, "seed of the draws");
        var threads = BookOptions.Threads();
        var command = new Command("sample-corpus", "Draw a corpus from a model folder.") { folder, output, bytes, temperature, topP, length, rows, seed, threads };
        command.SetAction(parsed =>
        {
            TorchRuntime.EnsureLoaded();
            TorchRuntime.UseThreads(parsed.GetValue(threads));
            string path = parsed.GetValue(folder)!;
            using var model = Transformer.Load(path);
            var options = new CorpusOptions
            {
                Bytes = parsed.GetValue(bytes),
                Temperature = parsed.GetValue(temperature),
                TopP = parsed.GetValue(topP),
                DocumentTokens = parsed.GetValue(length),
                Rows = parsed.GetValue(rows),
                Seed = parsed.GetValue(seed),
            };
            var clock = Stopwatch.StartNew();
            var documents = CorpusSampler.Draw(model, Tokenizer.Load(path), options, new Lines(clock)).ToList();
            AtomicFile.WriteText(parsed.GetValue(output)!, string.Join($"\n{Books.Separator}\n", documents) + "\n");
            Console.WriteLine($"{documents.Count} documents -> {parsed.GetValue(output)}");
        });
        return command;
    }

    private sealed class Lines(Stopwatch clock) : IProgress<long>
    {
        public void Report(long bytes) => Console.WriteLine($"{bytes} bytes in {clock.Elapsed.TotalSeconds:f0} s");
    }
}
