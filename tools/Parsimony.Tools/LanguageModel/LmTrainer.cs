using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Tools.LanguageModel;

/// <summary>The training loop of the language model.</summary>
/// <param name="config">Its shape.</param>
/// <param name="options">How to train.</param>
/// <param name="tokens">What to train on, as one run of tokens.</param>
/// <param name="heldOut">What to measure on.</param>
public sealed class LmTrainer(GptNeoXConfig config, LmTrainingOptions options, int[] tokens, HeldOutLoss heldOut)
{
    private string Checkpoint => Path.Combine(options.RunFolder, "checkpoint.safetensors");

    /// <summary>The folder the model is written to with every checkpoint.</summary>
    public string ModelFolder => Path.Combine(options.RunFolder, "model");

    /// <summary>Trains to the schedule's end, from the run folder's checkpoint if there is one.</summary>
    /// <param name="console">Takes the log's lines for people.</param>
    /// <param name="cancellation">Saves the state and stops after the step in work.</param>
    /// <returns>Held-out bits per byte of the model as written, in float16.</returns>
    /// <exception cref="OperationCanceledException">Stopped; the state is saved, the same call goes on.</exception>
    /// <exception cref="InvalidOperationException">The loss is no longer a number.</exception>
    public double Train(TextWriter console, CancellationToken cancellation = default)
    {
        var weights = TrainableWeights.Create(config, options.Seed);
        using var model = new Transformer(config, weights);
        using var optimizer = new LmOptimizer(config, weights, options.Optimizer);
        var windows = new TrainingWindows(tokens, options.SequenceLength, options.Seed);
        var begin = File.Exists(Checkpoint) ? LmCheckpoint.Load(Checkpoint, weights, optimizer) : new LmProgress(0, 0);
        var log = new LmLog(options, begin, console);

        for (long step = begin.Step; step < options.Schedule.Steps;)
        {
            using (var scope = NewDisposeScope())
            {
                var batch = Batch(windows, step); // [batch, seq + 1]
                var logits = model.Forward(batch.narrow(1, 0, options.SequenceLength));
                var targets = batch.narrow(1, 1, options.SequenceLength).reshape(-1);
                var loss = nn.functional.cross_entropy(logits.view(-1, config.DVocab), targets);
                loss.backward();
                double scale = options.Schedule.At(step++);
                optimizer.Step(step, scale);
                log.Step(step, loss.item<float>(), scale);
            }
            if (step % options.CheckpointEverySteps == 0 || step == options.Schedule.Steps || cancellation.IsCancellationRequested)
            {
                LmCheckpoint.Save(Checkpoint, weights, optimizer, new LmProgress(step, log.Seconds));
                LmExport.Write(ModelFolder, config, weights, options.Tokenizer);
            }
            if (cancellation.IsCancellationRequested) throw new OperationCanceledException(
                $"stopped after step {step}; the state is in '{options.RunFolder}'. Run the same command to go on.", cancellation);
            if (step % options.EvaluateEverySteps == 0)
                log.HeldOut(step, "estimate", heldOut.BitsPerByte(model, options.SequenceLength, options.EvaluateEveryWindow));
        }
        log.HeldOut(options.Schedule.Steps, "float32", heldOut.BitsPerByte(model, options.SequenceLength));
        using var written = Transformer.Load(ModelFolder);
        double bits = heldOut.BitsPerByte(written, options.SequenceLength);
        log.HeldOut(options.Schedule.Steps, "float16", bits);
        return bits;
    }

    private Tensor Batch(TrainingWindows windows, long step)
    {
        int width = options.SequenceLength + 1;
        var ids = new long[options.BatchSize * width];
        for (int row = 0; row < options.BatchSize; row++)
            windows.Copy(step * options.BatchSize + row, ids.AsSpan(row * width, width));
        return tensor(ids).view(options.BatchSize, width);
    }
}
