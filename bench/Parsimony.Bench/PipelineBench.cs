using System.ComponentModel;
using System.Diagnostics;
using Parsimony.Activations;
using Parsimony.Autoencoders;
using Parsimony.Models;
using Parsimony.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Bench;

/// <summary>What <c>parsimony bench pipeline</c> measures.</summary>
public sealed record PipelineBenchOptions
{
    /// <summary>Latents to measure, separated by commas. Default 2048,16384.</summary>
    [Description("numbers of latents, separated by commas")]
    public string DSae { get; init; } = "2048,16384";

    /// <summary>Share of active entries. Default 0.01, the article's target.</summary>
    [Description("share of active entries")]
    public double Density { get; init; } = 0.01;

    /// <summary>Blocks of 32,768 tokens that each variant trains on in a round. Default 2.</summary>
    [Description("blocks of 32768 tokens that each variant trains on in a round")]
    public int Blocks { get; init; } = 2;

    /// <summary>Rounds. Default 3.</summary>
    [Description("rounds")]
    public int Rounds { get; init; } = 3;
}

/// <summary>One number of latents.</summary>
/// <param name="DSae">Number of latents.</param>
/// <param name="TokensPerSecondDense">The loop as peers write it: a block is harvested, then trained on by autograd, then the next.</param>
/// <param name="TokensPerSecond">Ours: the harvest beside the sparse step.</param>
/// <param name="Ratio">Median over rounds of one round's ours by its dense.</param>
/// <param name="WaitForActivations">Share of our time in which training waited for the harvest.</param>
/// <param name="WaitForTraining">Share of our time in which the harvest waited for training.</param>
/// <param name="ForeignLoad">Share of the cores' time that other processes took.</param>
public sealed record PipelineBenchRow(int DSae, double TokensPerSecondDense, double TokensPerSecond, double Ratio, double WaitForActivations,
    double WaitForTraining, double ForeignLoad);

/// <summary>Tokens to a trained SAE, end to end: a model of Pythia 70M's shape up to layer 1's MLP output, shuffling, and the SAE's step.</summary>
public static class PipelineBench
{
    private const int BlockTokens = 32768, SequenceLength = 128;
    private static readonly HookPoint Hook = new(1, HookSite.MlpOut);

    /// <summary>Measures one number of latents.</summary>
    /// <param name="dSae">Number of latents.</param>
    /// <param name="options">Density, blocks and rounds.</param>
    /// <param name="roundDone">Told after each round.</param>
    /// <param name="cancellation">Stops between two variants.</param>
    public static PipelineBenchRow Measure(int dSae, PipelineBenchOptions options, Action<int>? roundDone = null, CancellationToken cancellation = default)
    {
        using var scope = NewDisposeScope();
        using var model = new Transformer(RandomPythia.Config, new RandomPythia());
        var random = new Random(1);
        var contexts = Enumerable.Range(0, 2 * BlockTokens / SequenceLength)
            .Select(_ => Enumerable.Range(0, SequenceLength).Select(_ => random.Next(RandomPythia.Config.DVocab)).ToArray()).ToArray();
        using var start = Start(model, contexts, dSae, options.Density);
        using var autograd = new AutogradStep(start, learningRate: 1e-6);
        using var ours = new SparseStep(start, new SaeTrainingOptions());
        long step = 0;
        void Dense(Tensor x) => autograd.Run(x, 0.01);
        void Sparse(Tensor x) => ours.Run(x, x, new SaeStepInputs(++step, 1e-6, 0.01));

        var rounds = new List<(double Dense, double Ours)>();
        ActivationWaits waits = default;
        double seconds = 0;
        var load = new ForeignLoad();
        for (int round = -1; round < options.Rounds; round++)
        {
            cancellation.ThrowIfCancellationRequested();
            if (round == 0) (waits, seconds, load) = (default, 0, new ForeignLoad()); // round -1 warms up
            var (denseRate, _, _) = Run(model, contexts, options.Blocks, prefetch: false, Dense);
            var (rate, waited, took) = Run(model, contexts, options.Blocks, prefetch: true, Sparse);
            (waits, seconds) = (new(waits.ForActivations + waited.ForActivations, waits.ForTraining + waited.ForTraining), seconds + took);
            if (round >= 0) rounds.Add((denseRate, rate));
            roundDone?.Invoke(round + 1);
        }
        return new PipelineBenchRow(dSae, Median.Of(rounds.Select(r => r.Dense)), Median.Of(rounds.Select(r => r.Ours)), Median.Of(rounds.Select(r => r.Ours / r.Dense)),
            waits.ForActivations / seconds, waits.ForTraining / seconds, load.Share());
    }

    private static (double Rate, ActivationWaits Waits, double Seconds) Run(Transformer model, int[][] contexts, int blocks, bool prefetch, Action<Tensor> train)
    {
        using var buffer = new ActivationBuffer(model, Hook, contexts, new ActivationBufferOptions { BufferTokens = BlockTokens, Prefetch = prefetch });
        int batches = blocks * BlockTokens / buffer.BatchTokens;
        var clock = Stopwatch.StartNew();
        for (int i = 0; i < batches; i++)
        {
            using var scope = NewDisposeScope();
            using var batch = buffer.Next();
            train(batch.At(Hook));
        }
        double seconds = clock.Elapsed.TotalSeconds;
        return ((double)batches * buffer.BatchTokens / seconds, buffer.Waits, seconds);
    }

    // A newborn SAE whose encoder bias lets through the wanted share of what this model gives; the rate is so low that it stays so.
    private static StandardSae Start(Transformer model, int[][] contexts, int dSae, double density)
    {
        using var scope = NewDisposeScope();
        using var buffer = new ActivationBuffer(model, Hook, contexts, new ActivationBufferOptions { BufferTokens = BlockTokens, Prefetch = false });
        using var batch = buffer.Next();
        return NewbornSae.Of(dSae, density, batch.At(Hook));
    }
}
