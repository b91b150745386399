using System.Diagnostics;
using Parsimony.Autoencoders;
using Parsimony.Training;
using Parsimony.Training.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Bench;

/// <summary>
/// Times a training step of the article's SAE written in three ways, side by side in one process, in turns: plain autograd, hand-derived dense, and ours.
/// </summary>
/// <remarks>Activations are normal and encoder columns have unit norm, so pre-activations are standard normal, and the bias sets the density exactly. What the
/// machine does besides hits all variants of a round alike, so the ratios are steadier than the times.</remarks>
public static class SaeBench
{
    private const double LearningRate = 1e-4, L1Coefficient = 0.01;
    private const int Batches = 4;

    /// <summary>Measures one shape and density.</summary>
    /// <param name="dModel">Width of the activations.</param>
    /// <param name="dSae">Number of latents.</param>
    /// <param name="density">Share of active entries.</param>
    /// <param name="options">Batch size and rounds.</param>
    /// <param name="peakBytes">Memory our step took, measured elsewhere.</param>
    /// <param name="roundDone">Told after each round.</param>
    /// <param name="cancellation">Stops between two rounds.</param>
    public static SaeBenchRow Measure(int dModel, int dSae, double density, SaeBenchOptions options, long? peakBytes = null,
        Action<int>? roundDone = null, CancellationToken cancellation = default)
    {
        using var scope = NewDisposeScope();
        var xs = Enumerable.Range(0, Batches).Select(i => Activations(options.BatchTokens, dModel, i)).ToArray();
        using var start = Start(dModel, dSae, density);
        using var autograd = new AutogradStep(start, LearningRate);
        using var dense = new DenseStep(start, new SaeTrainingOptions());
        using var ours = new SparseStep(start, new SaeTrainingOptions());
        using var team = new ThreadTeam(get_num_threads());
        using var limits = new MachineLimits(team, dModel, dSae);
        double flops = 2.0 * options.BatchTokens * dModel * dSae, active = 0;
        int inner = (int)Math.Clamp(2e10 / flops, 1, 20);
        long step = 0;
        void Autograd(Tensor x) => autograd.Run(x, L1Coefficient);
        void Dense(Tensor x) => Step(dense, x, step);
        void Ours(Tensor x) => active = Step(ours, x, step);

        var rounds = new List<(double Autograd, double Dense, double Ours, double Flops, double Pass)>();
        var load = new ForeignLoad();
        var total = Stopwatch.StartNew();
        for (int round = -1; round < options.Rounds && (round < 3 || total.Elapsed.TotalSeconds < options.MaxSeconds); round++)
        {
            cancellation.ThrowIfCancellationRequested();
            if (round == 0) load = new ForeignLoad(); // round -1 warms up
            var x = xs[(round + 1) % Batches];
            step += inner;
            var times = (Time(Autograd, x, inner), Time(Dense, x, inner), Time(Ours, x, inner));
            var (peak, pass) = (limits.MeasureFlops(), limits.MeasurePass());
            if (round >= 0) rounds.Add((times.Item1, times.Item2, times.Item3, peak, pass));
            roundDone?.Invoke(round + 1);
        }
        double Median(Func<(double Autograd, double Dense, double Ours, double Flops, double Pass), double> of) => Bench.Median.Of(rounds.Select(of));
        double best = rounds.Max(round => round.Flops), limit = flops / best + rounds.Min(round => round.Pass); // a limit is the best that was seen, not the usual
        return new SaeBenchRow(dModel, dSae, density, Median(r => r.Autograd / r.Ours), Median(r => r.Dense / r.Ours), Median(r => r.Ours) / limit,
            options.BatchTokens / Median(r => r.Ours), peakBytes, 1e3 * Median(r => r.Autograd), 1e3 * Median(r => r.Dense), 1e3 * Median(r => r.Ours),
            1e3 * limit, 1e-9 * best, active / ((double)options.BatchTokens * dSae), load.Share(), rounds.Count);
    }

    /// <summary>Trains a few steps with ours alone and tells how much memory that took: what <see cref="SaeBenchRow.PeakBytes"/> is, measured in a process of its own.</summary>
    /// <returns>Bytes above what the process held before; null where the system does not tell.</returns>
    public static long? MeasurePeak(int dModel, int dSae, double density, int batchTokens)
    {
        using var scope = NewDisposeScope();
        using (var warm = Start(32, 32, density)) Activations(8, 32, 0).Dispose();
        if (ResidentMemory.Now() is not { } before) return null;
        using var x = Activations(batchTokens, dModel, 0);
        using var ours = Newborn(dModel, dSae, density);
        for (int step = 1; step <= 3; step++) Step(ours, x, step);
        return ResidentMemory.Peak() - before;
    }

    /// <summary>How far the decoders of the three variants are apart after some steps: they must be the same mathematics.</summary>
    /// <returns>Largest absolute difference from autograd's.</returns>
    public static double LargestDifference(int dModel, int dSae, double density, int batchTokens, int steps)
    {
        using var scope = NewDisposeScope();
        using var start = Start(dModel, dSae, density);
        using var autograd = new AutogradStep(start, LearningRate);
        using var dense = new DenseStep(start, new SaeTrainingOptions());
        using var ours = new SparseStep(start, new SaeTrainingOptions());
        for (int step = 0; step < steps; step++)
        {
            var x = Activations(batchTokens, dModel, step);
            autograd.Run(x, L1Coefficient);
            Step(dense, x, step);
            Step(ours, x, step);
        }
        using var _ = no_grad();
        return new ISaeStep[] { dense, ours }.Max(way => (way.State()["W_dec"] - autograd.WDec).abs().max().item<float>());
    }

    private static SparseStep Newborn(int dModel, int dSae, double density)
    {
        using var start = Start(dModel, dSae, density);
        return new SparseStep(start, new SaeTrainingOptions());
    }

    internal static double Step(ISaeStep way, Tensor x, long step)
    {
        using var scope = NewDisposeScope();
        return way.Run(x, x, new SaeStepInputs(step + 1, LearningRate, L1Coefficient)).Fires.sum().item<float>();
    }

    internal static double Time(Action<Tensor> run, Tensor x, int times)
    {
        Thread.Sleep(5); // until the other variant's threads have stopped spinning
        var clock = Stopwatch.StartNew();
        for (int i = 0; i < times; i++) run(x);
        return clock.Elapsed.TotalSeconds / times;
    }

    /// <summary>An SAE whose pre-activations are standard normal on <see cref="Activations"/>, with the bias that leaves this share above zero.</summary>
    internal static StandardSae Start(int dModel, int dSae, double density)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(7, CPU);
        var wEnc = randn(dModel, dSae, generator: generator);
        wEnc.div_(wEnc.norm(0, keepdim: true));
        var wDec = randn(dSae, dModel, generator: generator);
        wDec.div_(wDec.norm(1, keepdim: true));
        using var quantile = special.ndtri(tensor(density, ScalarType.Float64));
        return new StandardSae(wEnc, wDec, full(dSae, quantile.item<double>(), ScalarType.Float32), zeros(dModel));
    }

    internal static Tensor Activations(int batch, int dModel, int seed)
    {
        using var generator = new Generator((ulong)seed, CPU);
        return randn(batch, dModel, generator: generator);
    }
}
