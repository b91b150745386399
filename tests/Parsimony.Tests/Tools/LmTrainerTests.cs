using Parsimony.Models;
using Parsimony.Tools.LanguageModel;
using Parsimony.Tools.Tokenizers;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Tools;

public sealed class LmTrainerTests : IDisposable
{
    private static readonly GptNeoXConfig Config = Some.Config(layers: 1);
    private static readonly int[] Text = [.. Enumerable.Range(0, 600).Select(i => i * i % 37)];
    private readonly string folder = Directory.CreateTempSubdirectory("lm").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private LmTrainer Trainer(string run, int steps = 6)
    {
        string tokenizer = Path.Combine(folder, "tokenizer.json");
        if (!File.Exists(tokenizer)) File.WriteAllText(tokenizer, TokenizerJson.Write(BpeTrainer.Train(["ab"], 258)));
        var options = new LmTrainingOptions
        {
            RunFolder = Path.Combine(folder, run),
            Tokenizer = tokenizer,
            Schedule = new WarmStayDecay(2, 100, steps),
            BatchSize = 2,
            SequenceLength = 16,
            CheckpointEverySteps = 3,
            EvaluateEverySteps = 1000,
            LogEverySteps = 1,
        };
        return new LmTrainer(Config, options, Text, new HeldOutLoss(Text[..100], Bytes: 300));
    }

    private byte[] Checkpoint(string run)
    {
        using var file = SafetensorsFile.Open(Path.Combine(folder, run, "checkpoint.safetensors"));
        return [.. file.Tensors.Keys.Order(StringComparer.Ordinal).SelectMany(name =>
        {
            using var t = file.Read(name);
            return t.bytes.ToArray();
        })];
    }

    [Fact]
    public void A_run_that_was_stopped_ends_bit_equal_to_one_that_was_not()
    {
        Trainer("whole").Train(TextWriter.Null);
        Trainer("parts", steps: 3).Train(TextWriter.Null);
        Trainer("parts").Train(TextWriter.Null);
        Assert.Equal(Checkpoint("whole"), Checkpoint("parts"));
    }

    [Fact]
    public void Cancellation_saves_the_state_first()
    {
        using var stop = new CancellationTokenSource();
        stop.Cancel();
        Assert.Throws<OperationCanceledException>(() => Trainer("stopped").Train(TextWriter.Null, stop.Token));
        Trainer("stopped").Train(TextWriter.Null);
        Trainer("whole").Train(TextWriter.Null);
        Assert.Equal(Checkpoint("whole"), Checkpoint("stopped"));
    }

    [Fact]
    public void Training_lowers_the_loss_and_the_exported_model_opens()
    {
        double early = Trainer("early", steps: 1).Train(TextWriter.Null);
        var trainer = Trainer("late", steps: 60);
        Assert.True(trainer.Train(TextWriter.Null) < early - 0.2);
        using var model = Transformer.Load(trainer.ModelFolder);
        Assert.Equal(Config, model.Config);
    }

    [Fact]
    public void A_checkpoint_of_another_model_is_refused()
    {
        Trainer("run", steps: 1).Train(TextWriter.Null);
        using var weights = TrainableWeights.Create(Some.Config(layers: 2), 0);
        using var optimizer = new LmOptimizer(Some.Config(layers: 2), weights, new LmOptimizerOptions());
        Assert.Contains("does not fit", Assert.Throws<InvalidDataException>(
            () => LmCheckpoint.Load(Path.Combine(folder, "run", "checkpoint.safetensors"), weights, optimizer)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Training_leaves_no_tensor_behind()
    {
        Trainer("warm", steps: 2).Train(TextWriter.Null);
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        Trainer("again", steps: 4).Train(TextWriter.Null);
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void A_model_that_knows_nothing_needs_log2_of_the_vocabulary_for_every_token()
    {
        using var weights = TrainableWeights.Create(Config, 0);
        using (no_grad()) weights.Parameters["embed_out.weight"].zero_();
        using var model = new Transformer(Config, weights);
        var heldOut = new HeldOutLoss(Text[..101], Bytes: 50);
        Assert.Equal(2 * Math.Log2(Config.DVocab), heldOut.BitsPerByte(model, 16), 1e-4);
        Assert.Equal(2 * Math.Log2(Config.DVocab), heldOut.BitsPerByte(model, 16, every: 3), 1e-4);
    }

    [Fact]
    public void Gradients_arrive_in_the_parameters_the_model_runs_on()
    {
        using var scope = NewDisposeScope();
        var weights = TrainableWeights.Create(Config, 0);
        using var model = new Transformer(Config, weights);
        var tokens = Some.Tokens();
        NextTokenLoss.Mean(model.Forward(tokens), tokens).backward();
        Assert.All(weights.Parameters, p => Assert.True(p.Value.grad is { } g && g.abs().sum().item<float>() > 0, p.Key));
    }

    [Fact]
    public void Parameters_have_the_names_and_shapes_of_Hugging_Face()
    {
        using var reference = Some.Weights(Config);
        Assert.Equal(reference.Names.Order(StringComparer.Ordinal), TrainableWeights.Shapes(Config).Select(p => p.Key).Order(StringComparer.Ordinal));
        Assert.All(TrainableWeights.Shapes(Config), p => Assert.Equal(reference.Shape(p.Key), p.Value));
    }
}
