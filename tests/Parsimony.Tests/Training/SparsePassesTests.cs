using Parsimony.Autoencoders;
using Parsimony.Training;
using Parsimony.Training.Kernels;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Training;

/// <summary>The kernels at every register width, also those that this machine has to imitate.</summary>
public sealed class SparsePassesTests
{
    private const int DModel = 128, DSae = 601, Batch = 75; // neither blocks nor chunks nor panels come out even
    private static readonly string[] Names = ["W_enc", "W_dec", "b_enc", "b_dec"];

    [Theory]
    [InlineData(128, 1, DecoderConstraint.Renormalise)]
    [InlineData(256, 1, DecoderConstraint.Renormalise)]
    [InlineData(512, 1, DecoderConstraint.Renormalise)]
    [InlineData(256, 3, DecoderConstraint.ProjectAndRenormalise)]
    [InlineData(512, 2, DecoderConstraint.ProjectAndRenormalise)]
    public void Five_steps_are_as_near_to_float64_as_the_dense_ones(int bits, int threads, DecoderConstraint constraint)
    {
        using var scope = NewDisposeScope();
        var options = new SaeTrainingOptions { DecoderConstraint = constraint };
        using var start = Start();
        using var dense = new DenseStep(start, options);
        using var team = new ThreadTeam(threads);
        var (rule, rows) = Learned(start, options);
        using var passes = Passes(bits, team, options, rule, rows);
        var exact = new[] { start.WEnc, start.WDec, start.BEnc, start.BDec }.Select(t => nn.Parameter(t.to(ScalarType.Float64))).ToArray();
        using var adam = optim.Adam(exact, 0.003);
        for (int step = 1; step <= 5; step++)
        {
            var x = Drawn.Normal(step, Batch, DModel);
            var inputs = new SaeStepInputs(step, 0.003, 0.05);
            var expected = dense.Run(x, x, inputs);
            var (errors, l1) = passes.Run(x, x, inputs);
            double mse = Assert.Single(errors);
            Assert.Equal(expected.Mse.item<float>(), mse, 1e-5 * mse);
            Assert.Equal(expected.Sparsity.item<float>(), l1, 1e-5 * l1);
            Assert.True(expected.Fires.eq(passes.Fires()).all().item<bool>());
            Assert.True((expected.Residual - passes.Residual()).abs().max().item<float>() < 1e-4);
            StepInFloat64(exact, adam, x.to(ScalarType.Float64), 0.05, constraint);
        }
        for (int i = 0; i < Names.Length; i++)
        {
            double sparseError = Error99(rows[i].Parameter, i == 0 ? exact[i].t() : exact[i]), denseError = Error99(dense.State()[Names[i]], exact[i]);
            Assert.True(sparseError <= 2 * denseError, $"{Names[i]} is off by {sparseError:g3}, the dense step by {denseError:g3}");
        }
    }

    [Fact]
    public void The_number_of_threads_changes_no_bit()
    {
        using var scope = NewDisposeScope();
        using var start = Start();
        var results = new[] { 1, 2, 5 }.Select(threads =>
        {
            using var team = new ThreadTeam(threads);
            var (rule, rows) = Learned(start, new());
            using var passes = Passes(256, team, new(), rule, rows);
            for (int step = 1; step <= 3; step++) Run(passes, Drawn.Normal(step, Batch, DModel), step);
            return rows;
        }).ToArray();
        foreach (var other in results[1..])
            for (int i = 0; i < Names.Length; i++)
                Assert.True(results[0][i].Parameter.SameBits(other[i].Parameter) && results[0][i].MeanSquare.SameBits(other[i].MeanSquare), Names[i]);
    }

    [Fact]
    public void The_product_by_libtorch_finds_the_same_entries()
    {
        using var scope = NewDisposeScope();
        using var start = Start();
        var x = Drawn.Normal(1, Batch, DModel);
        var results = new[] { EncoderBy.Kernel, EncoderBy.Libtorch }.Select(by =>
        {
            using var team = new ThreadTeam(2);
            var (rule, rows) = Learned(start, new());
            using var passes = Passes(512, team, new(), rule, rows);
            passes.EncoderBy = by;
            Run(passes, x, 1);
            return (Fires: passes.Fires(), Sums: passes.Sums(), Residual: passes.Residual());
        }).ToArray();
        Assert.True(results[0].Fires.eq(results[1].Fires).all().item<bool>());
        Assert.True(results[0].Sums.allclose(results[1].Sums, rtol: 1e-5, atol: 1e-5));
        Assert.True(results[0].Residual.allclose(results[1].Residual, rtol: 1e-5, atol: 1e-5));
    }

    [Fact]
    public void Who_multiplies_is_measured_once_and_remembered()
    {
        using var folder = new TemporaryFolder();
        string? before = EncoderChoice.MemoryPath;
        try
        {
            EncoderChoice.MemoryPath = Path.Combine(folder.Path, "kept", "encoder.json");
            int measured = 0;
            EncoderBy Choose(int kernel, int libtorch) => EncoderChoice.For("a shape", () => Wait(kernel), () => Wait(libtorch));
            void Wait(int milliseconds)
            {
                measured++;
                Thread.Sleep(milliseconds);
            }
            Assert.Equal(EncoderBy.Libtorch, Choose(30, 1));
            int once = measured;
            Assert.Equal(EncoderBy.Libtorch, Choose(1, 30));
            Assert.Equal(once, measured);
            File.WriteAllText(EncoderChoice.MemoryPath, "spoilt");
            Assert.Equal(EncoderBy.Kernel, Choose(1, 30));
        }
        finally
        {
            EncoderChoice.MemoryPath = before;
        }
    }

    [Fact]
    public void A_latent_that_no_token_wakes_moves_as_dense_Adam_moves_it()
    {
        using var scope = NewDisposeScope();
        using var start = Start();
        start.BEnc.fill_(-100);
        using var step = new SparseStep(start, new SaeTrainingOptions());
        step.State()["W_enc.exp_avg"].fill_(0.1f);
        var before = step.State()["W_enc"].clone();
        var seen = step.Run(Drawn.Normal(1, Batch, DModel), 1, 0.01, 0.1);
        Assert.Equal(0, seen.Fires.sum().item<float>());
        Assert.True((step.State()["W_enc"] - before).abs().min().item<float>() > 0, "a moment of 0.1 must move every weight");
        Assert.Equal(0.09f, step.State()["W_enc.exp_avg"].max().item<float>(), 1e-6f);
    }

    [Fact]
    public void A_fault_in_a_task_reaches_the_caller_and_the_team_goes_on()
    {
        using var team = new ThreadTeam(3);
        Assert.Contains("no", Assert.Throws<InvalidOperationException>(() => team.Run(10, (_, task) => throw new ArgumentException("no"))).Message);
        int done = 0;
        team.Run(1000, (_, _) => Interlocked.Increment(ref done));
        Assert.Equal(1000, done);
    }

    private static void Run(ISparsePasses passes, Tensor x, long step) => passes.Run(x, x, new SaeStepInputs(step, 0.003, 0.05));

    private static ISparsePasses Passes(int bits, ThreadTeam team, SaeTrainingOptions options, ISparseRule rule, LearnedTensor[] rows)
    {
        options = ArchitectureDefaults.Resolve(options);
        return bits switch
        {
            128 => new SparsePasses<Lanes128, Lanes128>(team, options, rule, rows[0], rows[1], rows[3], Batch, true),
            256 => new SparsePasses<Lanes256, Lanes256>(team, options, rule, rows[0], rows[1], rows[3], Batch, true),
            _ => new SparsePasses<Lanes512, Lanes512>(team, options, rule, rows[0], rows[1], rows[3], Batch, true),
        };
    }

    private static (ISparseRule Rule, LearnedTensor[] Rows) Learned(StandardSae sae, SaeTrainingOptions options)
    {
        var rule = new ReluRule(sae, true, options);
        return (rule, [new(sae.WEnc.t()), new(sae.WDec), rule.Parameters[0].Learned, new(sae.BDec)]);
    }

    private static StandardSae Start()
    {
        using var scope = NewDisposeScope();
        using var newborn = StandardSae.Create(DModel, DSae, seed: 1);
        return new StandardSae(newborn.WEnc, newborn.WDec, Drawn.Normal(3, DSae) * 0.5 - 1, Drawn.Normal(4, DModel) * 0.1);
    }

    // 99 % of all weights are nearer than this. The largest error says nothing: where a gradient nearly cancels, Adam makes a full step of what rounding left.
    private static double Error99(Tensor actual, Tensor exact)
    {
        var errors = (actual.to(ScalarType.Float64) - exact).abs().reshape(-1);
        return errors.kthvalue(Math.Max(1, errors.numel() * 99 / 100), 0).values.item<double>();
    }

    private static void StepInFloat64(TorchSharp.Modules.Parameter[] w, optim.Optimizer adam, Tensor x, double l1, DecoderConstraint constraint)
    {
        adam.zero_grad();
        var f = nn.functional.relu((x - w[3]).matmul(w[0]) + w[2]);
        ((f.matmul(w[1]) + w[3] - x).square().sum(1).mean() + l1 * f.sum(1).mean()).backward();
        using var _ = no_grad();
        if (constraint == DecoderConstraint.ProjectAndRenormalise) DecoderRow.ProjectOut(w[1].grad!, w[1]);
        adam.step();
        DecoderRow.Renormalise(w[1]);
    }
}
