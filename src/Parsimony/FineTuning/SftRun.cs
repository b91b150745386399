using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning;

/// <summary>Everything of a fine-tuning run that outlives a step: the adapter, its optimisers, position, losses since the last log line; saved and
/// restored as one file. The order of examples and the permuted labels follow from the position, so there is no generator to save.</summary>
internal sealed class SftRun : IDisposable
{
    private readonly SftOptions options;
    private readonly RunFiles files;
    private readonly AdapterOptimiser optimiser;
    private readonly Tensor nats;                                                         // since the last log line; where the adapter is, so that no step waits for a GPU
    private readonly Stopwatch clock = Stopwatch.StartNew();
    private readonly long tokensAtStart;
    private long targets;                                                                 // since the last log line
    private readonly Tensor gradientNorm = zeros(1).DetachFromDisposeScope();             // of the last step

    /// <summary>A run at its start, or where its folder's checkpoint left off.</summary>
    /// <param name="adapter">What is learnt.</param>
    /// <param name="options">How to learn.</param>
    /// <param name="folder">The run folder, or null.</param>
    /// <param name="identity">See <see cref="Identity"/>.</param>
    public SftRun(IAdapter adapter, SftOptions options, string? folder, IReadOnlyDictionary<string, string> identity)
    {
        (this.options, files) = (options, new RunFiles(folder, identity));
        optimiser = new AdapterOptimiser(adapter, options.LearningRate, options.WeightDecay);
        nats = zeros(1, ScalarType.Float64, optimiser.Parameters[0].device).DetachFromDisposeScope();
        try
        {
            Resume();
        }
        catch
        {
            Dispose();
            throw;
        }
        tokensAtStart = TokensSeen;
    }

    /// <summary>What is learnt, in the order of the gradients.</summary>
    public IList<Tensor> Parameters => optimiser.Parameters;

    public long Step { get; private set; }

    public long TokensSeen { get; private set; }

    /// <summary>What a checkpoint must have been made with to go on exactly.</summary>
    public static IReadOnlyDictionary<string, string> Identity(Transformer model, IAdapter adapter, SftOptions options, IReadOnlyList<SftExample> train)
    {
        using var data = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var e in train)
        {
            data.AppendData(BitConverter.GetBytes(e.FirstTarget));
            data.AppendData(MemoryMarshal.AsBytes<int>(e.Tokens));
            if (e.Mask is not null) data.AppendData(MemoryMarshal.AsBytes<bool>(e.Mask));
        }
        // What does not change a step may differ: how long the run is, how often it logs, how much it keeps.
        var stepOptions = options with { Steps = 0, LogEverySteps = 1, CheckpointEverySteps = 1, PrefixCache = "0", Recompute = null, HeldOutFraction = 0 };
        return RunIdentity.Of(model, adapter, stepOptions, data);
    }

    /// <summary>One step of the optimisers, and what it adds to the counts.</summary>
    public void Update(IList<Tensor> gradients, Tensor lossSum, SftBatch batch)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        gradientNorm.copy_(optimiser.Step(gradients));
        nats.add_(lossSum.detach());
        targets += batch.Targets;
        TokensSeen += batch.TokensSeen;
        Step++;
    }

    /// <summary>Writes a line of metrics.jsonl.</summary>
    public SftProgress Log()
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        double loss = nats.item<double>() / targets, seconds = Math.Max(clock.Elapsed.TotalSeconds, 1e-9);
        if (!double.IsFinite(loss)) throw new InvalidOperationException(
            $"the loss up to step {Step} is {loss}; training stops and the last checkpoint is kept. Use a lower learning_rate.");
        nats.zero_();
        targets = 0;
        var distance = optimiser.Distance();
        var line = new SftProgress(Step, options.Steps, TokensSeen, (TokensSeen - tokensAtStart) / seconds, loss, distance.Gamma, distance.Shift, distance.All,
            distance.LatentsChanged, gradientNorm.item<float>());
        files.Append(line);
        files.AppendDials(line.Step, optimiser.Adapter);
        return line;
    }

    /// <summary>Writes the checkpoint, when there is a folder.</summary>
    public void Save() => files.Save(Tensors(), new Dictionary<string, long>
    {
        ["step"] = Step,
        ["tokens_seen"] = TokensSeen,
        ["targets_since_log"] = targets,
    });

    private void Resume()
    {
        if (files.Load(Tensors(), ["step", "tokens_seen", "targets_since_log"]) is { } counts)
        {
            (Step, TokensSeen, targets) = (counts["step"], counts["tokens_seen"], counts["targets_since_log"]);
            optimiser.Steps = Step;
        }
        files.TruncateTo<SftProgress>(line => line.Step, Step);
        files.TruncateDials(Step);
    }

    private Dictionary<string, Tensor> Tensors() => new(optimiser.Tensors()) { ["nats_since_log"] = nats };

    public void Dispose()
    {
        optimiser.Dispose();
        nats.Dispose();
        gradientNorm.Dispose();
    }
}
