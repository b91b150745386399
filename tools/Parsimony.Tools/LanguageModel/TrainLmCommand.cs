using System.CommandLine;
using System.Runtime.InteropServices;
using Parsimony.Models;
using Parsimony.Native;
using Parsimony.Tokens;
using Parsimony.Tools.Corpus;

namespace Parsimony.Tools.LanguageModel;

/// <summary><c>train-lm</c>: trains the bundled language model; the same command goes on after a stop.</summary>
internal static class TrainLmCommand
{
    private static readonly LmTrainingOptions Defaults = new() { RunFolder = "", Tokenizer = "", Schedule = new(30, 1500, 6600) };

    public static Command Make()
    {
        var data = BookOptions.Data();
        var tokenizer = BookOptions.Tokenizer();
        var run = new Option<string>("--run")
        {
            Description = "run folder: checkpoint.safetensors, log.jsonl and the model so far",
            DefaultValueFactory = _ => Path.Combine("runs", "lm"),
        };
        var layers = BookOptions.Number("--layers", 5, "layers");
        var width = BookOptions.Number("--d-model", 192, "width of the residual stream; the MLP is four times as wide");
        var heads = BookOptions.Number("--heads", 4, "attention heads");
        var steps = BookOptions.Number("--steps", Defaults.Schedule.Steps, "where the run ends; may be changed when it goes on");
        var decay = BookOptions.Number("--decay-from-step", Defaults.Schedule.DecayFromStep, "where the learning rate begins to fall; may be changed, too");
        var warmUp = BookOptions.Number("--warm-up-steps", Defaults.Schedule.WarmUpSteps, "where the learning rate is at its peak");
        var batch = BookOptions.Number("--batch-size", Defaults.BatchSize, "windows a step");
        var matrix = BookOptions.Number("--matrix-learning-rate", Defaults.Optimizer.MatrixLearningRate, "Muon's");
        var table = BookOptions.Number("--embedding-learning-rate", Defaults.Optimizer.EmbeddingLearningRate, "Adam's, for embedding and unembedding");
        var vector = BookOptions.Number("--vector-learning-rate", Defaults.Optimizer.VectorLearningRate, "Adam's, for gains and biases");
        var decayRate = BookOptions.Number("--weight-decay", Defaults.Optimizer.WeightDecay, "times the learning rate, a step");
        var seed = BookOptions.Number("--seed", Defaults.Seed, "of the first weights and of the order of the text");
        var save = BookOptions.Number("--checkpoint-every-steps", Defaults.CheckpointEverySteps, "steps between checkpoints");
        var evaluate = BookOptions.Number("--evaluate-every-steps", Defaults.EvaluateEverySteps, "steps between held-out estimates");
        var threads = BookOptions.Threads();
        var command = new Command("train-lm", "Train the language model on the books.")
        {
            data, tokenizer, run, layers, width, heads, steps, decay, warmUp, batch, matrix, table, vector, decayRate, seed, save, evaluate, threads,
        };
        command.SetAction(parsed =>
        {
            TorchRuntime.EnsureLoaded();
            TorchRuntime.UseThreads(parsed.GetValue(threads));
            var books = Books.Read(parsed.GetValue(data)!);
            var encoder = Tokenizer.Load(parsed.GetValue(tokenizer)!);
            var train = BookTokens.Encode(books.Where(b => !Books.HeldOut.Contains(b.Name)), encoder);
            var heldOut = BookTokens.Encode(books.Where(b => Books.HeldOut.Contains(b.Name)), encoder);
            Console.WriteLine($"{train.Ids.Length} tokens ({train.Bytes} bytes) to train on, {heldOut.Ids.Length} tokens ({heldOut.Bytes} bytes) held out");
            var options = new LmTrainingOptions
            {
                RunFolder = parsed.GetValue(run)!,
                Tokenizer = parsed.GetValue(tokenizer)!,
                Schedule = new WarmStayDecay(parsed.GetValue(warmUp), parsed.GetValue(decay), parsed.GetValue(steps)),
                BatchSize = parsed.GetValue(batch),
                Seed = parsed.GetValue(seed),
                CheckpointEverySteps = parsed.GetValue(save),
                EvaluateEverySteps = parsed.GetValue(evaluate),
                Optimizer = new LmOptimizerOptions
                {
                    MatrixLearningRate = parsed.GetValue(matrix),
                    EmbeddingLearningRate = parsed.GetValue(table),
                    VectorLearningRate = parsed.GetValue(vector),
                    WeightDecay = parsed.GetValue(decayRate),
                },
            };
            var config = new GptNeoXConfig
            {
                NLayers = parsed.GetValue(layers),
                DModel = parsed.GetValue(width),
                DMlp = 4 * parsed.GetValue(width),
                NHeads = parsed.GetValue(heads),
                DVocab = encoder.VocabularySize,
                MaxSequenceLength = options.SequenceLength,
            };
            using var stop = new CancellationTokenSource();
            using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
            using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
            new LmTrainer(config, options, train.Ids, new HeldOutLoss(heldOut.Ids, heldOut.Bytes)).Train(Console.Out, stop.Token);

            void Stop(PosixSignalContext signal)
            {
                signal.Cancel = true;
                stop.Cancel();
            }
        });
        return command;
    }
}
