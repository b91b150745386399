using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Parsimony.Files;
using Parsimony.Models;
using Parsimony.Native;
using Parsimony.Tools.Corpus;
using static TorchSharp.torch;

namespace Parsimony.Tools.RandomModels;

/// <summary><c>random-model</c>: a model folder of a Pythia's shape with random weights.</summary>
internal static class RandomModelCommand
{
    public static Command Make()
    {
        var like = new Option<string>("--like") { Description = $"whose shape: {string.Join(", ", PythiaLadder.Names)}", Required = true };
        var output = new Option<string>("--out") { Description = "model folder, which must not be there yet", Required = true };
        var type = new Option<string>("--type") { Description = "element type of the weights", DefaultValueFactory = _ => "bf16" };
        type.AcceptOnlyFromAmong("bf16", "fp16", "fp32");
        var shard = new Option<string>("--shard-bytes") { Description = "bytes of a file at most: 5GB, 500MB or a number", DefaultValueFactory = _ => "5GB" };
        var seed = BookOptions.Number("--seed", 0L, "of the weights");
        var layers = new Option<int?>("--layers") { Description = "only so many of its layers; the default is all" };
        var tokenizer = BookOptions.Tokenizer();
        var command = new Command("random-model", "Write a model folder of a Pythia's true shape with random weights.") { like, output, type, shard, seed, layers, tokenizer };
        command.SetAction(parsed =>
        {
            TorchRuntime.EnsureLoaded();
            var config = Shape(parsed.GetValue(like)!, parsed.GetValue(layers));
            var model = new RandomModel(config, Type(parsed.GetValue(type)!), Bytes(parsed.GetValue(shard)!), parsed.GetValue(seed));
            var clock = Stopwatch.StartNew();
            model.Write(parsed.GetValue(output)!, parsed.GetValue(tokenizer)!, new Lines(model.Bytes, clock));
            Console.WriteLine($"{ModelTensors.Of(config).Sum(t => t.Elements)} parameters, {ByteSize.Text(model.Bytes)} in {clock.Elapsed.TotalSeconds:f0} s -> {parsed.GetValue(output)}");
        });
        return command;
    }

    private static GptNeoXConfig Shape(string name, int? layers)
    {
        var whole = PythiaLadder.Find(name) ?? throw new ArgumentException($"--like is '{name}'; known shapes: {string.Join(", ", PythiaLadder.Names)}.");
        if (layers is < 1 || layers > whole.NLayers) throw new ArgumentException($"--layers is {layers}; {name} has 1 to {whole.NLayers}.");
        return layers is { } some ? whole with { NLayers = some } : whole;
    }

    private static ScalarType Type(string name) => name switch { "bf16" => ScalarType.BFloat16, "fp16" => ScalarType.Float16, _ => ScalarType.Float32 };

    internal static long Bytes(string text)
    {
        var (digits, factor) = text.ToUpperInvariant() switch
        {
            [.. var number, 'G', 'B'] => (number, 1e9),
            [.. var number, 'M', 'B'] => (number, 1e6),
            var number => (number, 1.0),
        };
        return double.TryParse(digits, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double value) && value * factor >= 1 ? (long)(value * factor)
            : throw new ArgumentException($"--shard-bytes is '{text}'; expected a size such as 5GB, 500MB or 2000000.");
    }

    private sealed class Lines(long total, Stopwatch clock) : IProgress<long>
    {
        private double next = 5;

        public void Report(long bytes)
        {
            double seconds = clock.Elapsed.TotalSeconds;
            if (seconds < next || bytes == 0) return;
            next = seconds + 5;
            Console.Error.WriteLine($"{ByteSize.Text(bytes)} of {ByteSize.Text(total)}  {ByteSize.Text((long)(bytes / seconds))}/s  ETA {(total - bytes) * seconds / bytes:f0} s");
        }
    }
}
