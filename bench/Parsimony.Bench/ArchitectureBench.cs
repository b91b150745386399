using System.ComponentModel;
using System.Diagnostics;
using Parsimony.Autoencoders;
using Parsimony.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Bench;

/// <summary>What <see cref="ArchitectureBench"/> measures, and how long.</summary>
public sealed record ArchitectureBenchOptions
{
    /// <summary>Width of the activations, a multiple of 32. Default 512.</summary>
    [Description("width of the activations, a multiple of 32")]
    public int DModel { get; init; } = 512;

    /// <summary>Number of latents. Default 16,384.</summary>
    [Description("number of latents")]
    public int DSae { get; init; } = 16_384;

    /// <summary>Active latents per token. Default 32.</summary>
    [Description("active latents per token")]
    public int L0 { get; init; } = 32;

    /// <summary>Tokens of a step. Default 1024.</summary>
    [Description("tokens of a step")]
    public int BatchTokens { get; init; } = 1024;

    /// <summary>Rounds, after one to warm up. Default 5.</summary>
    [Description("rounds, after one to warm up")]
    public int Rounds { get; init; } = 5;

    /// <summary>Returns these options, or says everything that is wrong with them.</summary>
    /// <exception cref="ArgumentException">One or more values are out of range.</exception>
    public ArchitectureBenchOptions Validated()
    {
        var faults = new OptionFaults();
        faults.Check(DModel >= 32 && DModel % 32 == 0, "d_model", DModel, "multiples of 32");
        faults.Check(DSae >= 1, "d_sae", DSae, "1 or more");
        faults.Check(L0 >= 1 && L0 < DSae, "l0", L0, "1 to below d_sae");
        faults.Check(BatchTokens >= 1, "batch_tokens", BatchTokens, "1 or more");
        faults.Check(Rounds >= 1, "rounds", Rounds, "1 or more");
        faults.ThrowIfAny("The benchmark's options");
        return this;
    }
}

/// <summary>One architecture's step, dense and ours.</summary>
/// <param name="Architecture">Its name, with <c>-free</c> where decoder rows are.</param>
/// <param name="RatioDense">Median over rounds of dense time by our time.</param>
/// <param name="DenseMilliseconds">Median time of a step made of dense products.</param>
/// <param name="OursMilliseconds">Median time of our step.</param>
/// <param name="TokensPerSecond">Of ours.</param>
/// <param name="L0">Active latents per token in our last step.</param>
/// <param name="ForeignLoad">Share of the processors that other processes had meanwhile.</param>
public sealed record ArchitectureBenchRow(
    string Architecture, double RatioDense, double DenseMilliseconds, double OursMilliseconds, double TokensPerSecond, double L0, double ForeignLoad);

/// <summary>Times every architecture's training step, hand-derived dense and ours, in turns in one process.</summary>
public static class ArchitectureBench
{
    /// <summary>What is measured: each architecture that has a sparse step, with its own defaults.</summary>
    public static IReadOnlyList<(string Name, SaeTrainingOptions Options)> Cases(ArchitectureBenchOptions options)
    {
        var k = new TopKOptions { K = options.L0 };
        return
        [
            ("standard", new()),
            ("standard-free", new() { DecoderConstraint = DecoderConstraint.Free }),
            ("topk", new() { Architecture = SaeArchitecture.Topk, TopK = k }),
            ("batchtopk", new() { Architecture = SaeArchitecture.Batchtopk, TopK = k }),
            ("matryoshka_batchtopk", new() { Architecture = SaeArchitecture.MatryoshkaBatchtopk, TopK = k }),
            ("jumprelu", new() { Architecture = SaeArchitecture.Jumprelu, TargetL0 = options.L0 }),
            ("gated", new() { Architecture = SaeArchitecture.Gated }),
        ];
    }

    /// <summary>Measures one of <see cref="Cases"/>.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="training">Its options.</param>
    /// <param name="options">Shape and rounds.</param>
    /// <param name="roundDone">Told after each round.</param>
    /// <param name="cancellation">Stops between two rounds.</param>
    public static ArchitectureBenchRow Measure(string name, SaeTrainingOptions training, ArchitectureBenchOptions options,
        Action<int>? roundDone = null, CancellationToken cancellation = default)
    {
        using var scope = NewDisposeScope();
        using var start = Start(training.Architecture, options);
        using var dense = SaeSteps.Dense(start, training);
        using var ours = new SparseStep(start, training);
        var xs = Enumerable.Range(0, 2).Select(i => SaeBench.Activations(options.BatchTokens, options.DModel, i)).ToArray();
        var rounds = new List<(double Dense, double Ours)>();
        double active = 0;
        long step = 0;
        int inner = (int)Math.Clamp(4e9 / (2.0 * options.BatchTokens * options.DModel * options.DSae), 1, 20);
        var load = new ForeignLoad();
        for (int round = -1; round < options.Rounds; round++)
        {
            cancellation.ThrowIfCancellationRequested();
            if (round == 0) load = new ForeignLoad(); // round -1 warms up
            step += inner;
            var x = xs[(round + 1) % xs.Length];
            var times = (SaeBench.Time(t => SaeBench.Step(dense, t, step), x, inner), SaeBench.Time(t => active = SaeBench.Step(ours, t, step), x, inner));
            if (round >= 0) rounds.Add(times);
            roundDone?.Invoke(round + 1);
        }
        double seconds = Median.Of(rounds.Select(r => r.Ours));
        return new(name, Median.Of(rounds.Select(r => r.Dense / r.Ours)), 1e3 * Median.Of(rounds.Select(r => r.Dense)), 1e3 * seconds,
            options.BatchTokens / seconds, active / options.BatchTokens, load.Share());
    }

    // Pre-activations are standard normal; bias, threshold or k leave l0 of them.
    private static ISparseAutoencoder Start(SaeArchitecture architecture, ArchitectureBenchOptions options)
    {
        using var scope = NewDisposeScope();
        using var affine = SaeBench.Start(options.DModel, options.DSae, (double)options.L0 / options.DSae);
        var (wEnc, wDec, bias, bDec) = (affine.WEnc, affine.WDec, affine.BEnc, affine.BDec);
        return architecture switch
        {
            SaeArchitecture.Standard => new StandardSae(wEnc, wDec, bias, bDec),
            SaeArchitecture.Topk => new TopKSae(wEnc, wDec, zeros_like(bias), bDec, options.L0),
            SaeArchitecture.Jumprelu => new JumpReluSae(wEnc, wDec, zeros_like(bias), bDec, -bias),
            SaeArchitecture.Gated => new GatedSae(wEnc, wDec, bias, bias, zeros_like(bias), bDec),
            _ => new StandardSae(wEnc, wDec, zeros_like(bias), bDec),
        };
    }
}
