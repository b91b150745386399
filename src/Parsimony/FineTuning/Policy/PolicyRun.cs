using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Policy;

/// <summary>Everything of a run of learning from rewards that outlives a step: the adapter, critic, their optimisers, beta, position; saved and restored as
/// one file.</summary>
internal sealed class PolicyRun : IDisposable
{
    private const string Samples = "samples.jsonl";

    private readonly PolicyOptions options;
    private readonly RunFiles files;
    private readonly AdapterOptimiser optimiser;

    /// <summary>A run at its start, or where its folder's checkpoint left off.</summary>
    /// <param name="adapter">What is learnt.</param>
    /// <param name="dModel">Width of what the critic reads.</param>
    /// <param name="device">Where the critic lives.</param>
    /// <param name="options">How to learn.</param>
    /// <param name="folder">The run folder, or null.</param>
    /// <param name="identity">See <see cref="Identity"/>.</param>
    public PolicyRun(IAdapter adapter, int dModel, Device device, PolicyOptions options, string? folder, IReadOnlyDictionary<string, string> identity)
    {
        (this.options, files) = (options, new RunFiles(folder, identity));
        optimiser = new AdapterOptimiser(adapter, options.LearningRate, options.WeightDecay);
        Critic = options.Algorithm is PolicyAlgorithm.Ppo ? new ValueHead(dModel, options.ValueLearningRate, device: device) : null;
        Beta = new KlController(options.KlCoefficient, options.KlTarget, options.KlHorizon);
        try
        {
            Resume();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>ppo's; null with the others.</summary>
    public ValueHead? Critic { get; }

    /// <summary>The KL coefficient.</summary>
    public KlController Beta { get; }

    public long Step { get; private set; }

    public long Responses { get; private set; }

    public long TokensSampled { get; private set; }

    /// <summary>Whether a step has begun to update and is not done: what is here now belongs to no step.</summary>
    public bool IsMidStep { get; private set; }

    /// <summary>What a checkpoint must have been made with to go on exactly.</summary>
    public static IReadOnlyDictionary<string, string> Identity(
        Transformer model, IAdapter adapter, PolicyOptions options, IReadOnlyList<RolloutPrompt> prompts, IEnumerable<string> rewards)
    {
        using var data = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var prompt in prompts)
        {
            data.AppendData(BitConverter.GetBytes(prompt.Tokens.Length));
            data.AppendData(MemoryMarshal.AsBytes<int>(prompt.Tokens));
        }
        foreach (string reward in rewards) data.AppendData(Encoding.UTF8.GetBytes(reward + "\n"));
        // What does not change a step may differ: how long the run is, how often it saves, how much it keeps.
        return RunIdentity.Of(model, adapter, options with { Steps = 0, SamplesPerStep = 0, CheckpointEverySteps = 1, Recompute = false }, data);
    }

    /// <summary>One step of the adapter down the gradient of a loss, whose graph is used up.</summary>
    /// <returns>Length of the gradient, a scalar in the caller's scope.</returns>
    public Tensor Update(Tensor loss)
    {
        IsMidStep = true;
        using var scope = NewDisposeScope();
        return optimiser.Step(Gradients.Of(loss, optimiser.Parameters), options.MaxGradientNorm).MoveToOuterDisposeScope();
    }

    /// <summary>The same of the critic.</summary>
    public void UpdateCritic(Tensor loss)
    {
        IsMidStep = true;
        Critic!.Step(loss);
    }

    /// <summary>How far the adapter is from rest.</summary>
    public (double? Gamma, double? Shift, double All, long? LatentsChanged) Distance() => optimiser.Distance();

    /// <summary>A step is done.</summary>
    /// <param name="rollout">What it sampled.</param>
    /// <param name="kl">Mean k1 over its responses, nats: beta is steered by it.</param>
    public void Advance(Rollout rollout, double kl)
    {
        Beta.Update(kl, rollout.Responses.Count);
        Responses += rollout.Responses.Count;
        TokensSampled += rollout.SampledTokens;
        Step++;
        IsMidStep = false;
    }

    /// <summary>Adds a step's lines to metrics.jsonl and samples.jsonl.</summary>
    public void Log(PolicyProgress line, IEnumerable<PolicySample> samples)
    {
        files.Append(line);
        files.AppendDials(line.Step, optimiser.Adapter);
        foreach (var sample in samples) files.Append(sample, Samples);
    }

    /// <summary>Writes the checkpoint, when there is a folder.</summary>
    public void Save() => files.Save(Tensors(), new Dictionary<string, long>
    {
        ["step"] = Step,
        ["responses"] = Responses,
        ["tokens_sampled"] = TokensSampled,
        ["updates"] = optimiser.Steps,
        ["critic_updates"] = Critic?.Steps ?? 0,
    });

    private void Resume()
    {
        if (files.Load(Tensors(), ["step", "responses", "tokens_sampled", "updates", "critic_updates"]) is { } counts)
        {
            (Step, Responses, TokensSampled, optimiser.Steps) = (counts["step"], counts["responses"], counts["tokens_sampled"], counts["updates"]);
            if (Critic is not null) Critic.Steps = counts["critic_updates"];
        }
        files.TruncateTo<PolicyProgress>(line => line.Step, Step);
        files.TruncateDials(Step);
        files.TruncateTo<PolicySample>(line => line.Step, Step, Samples);
    }

    private Dictionary<string, Tensor> Tensors()
    {
        var all = new Dictionary<string, Tensor>(optimiser.Tensors()) { ["kl_coefficient"] = Beta.State };
        foreach (var (name, tensor) in Critic?.Tensors() ?? new Dictionary<string, Tensor>()) all.Add(name, tensor);
        return all;
    }

    public void Dispose()
    {
        optimiser.Dispose();
        Critic?.Dispose();
        Beta.Dispose();
    }
}
