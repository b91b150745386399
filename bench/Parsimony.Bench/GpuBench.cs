using System.ComponentModel;
using Parsimony.Autoencoders;
using Parsimony.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Bench;

/// <summary>What <c>parsimony bench gpu</c> measures.</summary>
public sealed record GpuBenchOptions
{
    /// <summary>Every d_model x d_sae to measure.</summary>
    [Description("d_model x d_sae pairs, separated by commas")]
    public string Shapes { get; init; } = "512x16384,1024x32768,4096x16384";

    /// <summary>Shares of active entries to measure.</summary>
    [Description("shares of active entries, separated by commas")]
    public string Densities { get; init; } = "0.02,0.005,0.001";

    /// <summary>Tokens a step. Default 4096.</summary>
    [Description("tokens a step")]
    public int BatchTokens { get; init; } = 4096;

    /// <summary>Steps of a variant in a round. Default 32; whole windows of <see cref="TorchSparseStep"/>.</summary>
    [Description("steps of each variant in a round, a multiple of 16")]
    public int Steps { get; init; } = 32;

    /// <summary>Rounds, after one to warm up. Default 5.</summary>
    [Description("rounds, after one to warm up")]
    public int Rounds { get; init; } = 5;

    /// <summary>Every shape at every density, read and checked as <c>bench sae</c> does.</summary>
    public IReadOnlyList<(int DModel, int DSae, double Density)> Cells() => new SaeBenchOptions { Shapes = Shapes, Densities = Densities, BatchTokens = BatchTokens, Rounds = Rounds }.Validated().Cells();

    /// <summary>Returns these options, or says everything that is wrong with them.</summary>
    /// <exception cref="ArgumentException">One or more values are out of range.</exception>
    public GpuBenchOptions Validated()
    {
        _ = Cells();
        return Steps >= 1 && Steps % TorchSparseStep.ReadEverySteps == 0 ? this : throw new ArgumentException($"steps is {Steps}; allowed: multiples of {TorchSparseStep.ReadEverySteps}.");
    }
}

/// <summary>One shape and density. Ratios are medians over rounds.</summary>
/// <param name="DModel">Width of the activations.</param>
/// <param name="DSae">Number of latents.</param>
/// <param name="Density">Share of active entries that was set up.</param>
/// <param name="AutogradMilliseconds">Median time of a step by autograd and <c>optim.Adam</c>.</param>
/// <param name="DenseMilliseconds">The same of the hand-derived dense step.</param>
/// <param name="SparseMilliseconds">The same of the step on active entries alone.</param>
/// <param name="RatioAutograd">Time of autograd by that of the faster of ours.</param>
/// <param name="RatioDense">Time of dense by sparse: above 1 the active entries pay.</param>
/// <param name="TokensPerSecond">Of the faster of ours.</param>
/// <param name="MeasuredDensity">Share of active entries at the end.</param>
public sealed record GpuBenchRow(int DModel, int DSae, double Density, double AutogradMilliseconds, double DenseMilliseconds, double SparseMilliseconds, double RatioAutograd, double RatioDense,
    double TokensPerSecond, double MeasuredDensity);

/// <summary>Times the article's training step where libtorch alone works: autograd, dense by hand, and <see cref="TorchSparseStep"/>, in turns in one process.</summary>
/// <remarks>No variant waits for the device within its steps but as it does in training; the clock stops when the device is done.</remarks>
public static class GpuBench
{
    private const double LearningRate = 1e-5, L1Coefficient = 0.01;

    /// <summary>Measures one shape and density.</summary>
    /// <param name="dModel">Width of the activations.</param>
    /// <param name="dSae">Number of latents.</param>
    /// <param name="density">Share of active entries.</param>
    /// <param name="device">Where.</param>
    /// <param name="options">Batch size, steps and rounds.</param>
    /// <param name="roundDone">Told after each round.</param>
    /// <param name="cancellation">Stops between two rounds.</param>
    public static GpuBenchRow Measure(int dModel, int dSae, double density, Device device, GpuBenchOptions options, Action<int>? roundDone = null, CancellationToken cancellation = default)
    {
        using var scope = NewDisposeScope();
        using var newborn = SaeBench.Start(dModel, dSae, density);
        using var start = (StandardSae)newborn.On(device);
        var x = SaeBench.Activations(options.BatchTokens, dModel, 0).to(device);
        using var autograd = new AutogradStep(start, LearningRate);
        using var dense = new TorchSparseStep(start, new SaeTrainingOptions()) { SparseUpTo = 0 };
        using var sparse = new TorchSparseStep(start, new SaeTrainingOptions()) { SparseUpTo = 1 };
        double active = 0;
        long step = 0;
        void Ours(TorchSparseStep way)
        {
            for (int i = 1; i <= options.Steps; i++)
            {
                using var inner = NewDisposeScope();
                var result = way.Run(x, x, new SaeStepInputs(step + i, LearningRate, L1Coefficient));
                if (i == options.Steps) active = result.Fires.sum().item<float>();
            }
        }
        void Autograd()
        {
            for (int i = 0; i < options.Steps; i++) autograd.Run(x, L1Coefficient);
            using var done = autograd.WDec.sum();
            _ = done.item<float>(); // waits for the device, as reading how many fire does above
        }
        var rounds = new List<(double Autograd, double Dense, double Sparse)>();
        for (int round = -1; round < options.Rounds; round++)
        {
            cancellation.ThrowIfCancellationRequested();
            var times = (SaeBench.Time(_ => Autograd(), x, 1), SaeBench.Time(_ => Ours(dense), x, 1), SaeBench.Time(_ => Ours(sparse), x, 1));
            step += options.Steps;
            if (round >= 0) rounds.Add(times);
            roundDone?.Invoke(round + 1);
        }
        double Median(Func<(double Autograd, double Dense, double Sparse), double> of) => Bench.Median.Of(rounds.Select(of));
        double Milliseconds(double seconds) => 1e3 * seconds / options.Steps;
        return new GpuBenchRow(dModel, dSae, density, Milliseconds(Median(r => r.Autograd)), Milliseconds(Median(r => r.Dense)), Milliseconds(Median(r => r.Sparse)),
            Median(r => r.Autograd / Math.Min(r.Dense, r.Sparse)), Median(r => r.Dense / r.Sparse), options.BatchTokens * options.Steps / Median(r => Math.Min(r.Dense, r.Sparse)),
            active / ((double)options.BatchTokens * dSae));
    }
}
