using Parsimony.Autoencoders;
using Parsimony.Training;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Training;

/// <summary>The article's step on slots: what it does beyond the formulas, which <see cref="StandardStepTests"/> holds to the reference.</summary>
public sealed class TorchSparseStepTests
{
    private const int DModel = 24, DSae = 150, Batch = 40;

    [Theory]
    [InlineData(DecoderConstraint.Renormalise)]
    [InlineData(DecoderConstraint.ProjectAndRenormalise)]
    public void Sixty_steps_dense_first_then_sparse_end_where_the_dense_step_ends(DecoderConstraint constraint)
    {
        using var scope = NewDisposeScope();
        var options = new SaeTrainingOptions { DecoderConstraint = constraint };
        using var start = Start();
        using var dense = new DenseStep(start, options);
        using var sparse = new TorchSparseStep(start, options) { SparseUpTo = 0.2 };
        double density = 0;
        for (int s = 1; s <= 60; s++)
        {
            Assert.Equal(s > TorchSparseStep.ReadEverySteps, sparse.IsSparse);
            var (expected, mine) = (Step(dense, s), Step(sparse, s));
            Assert.Equal(0, sparse.DoneAnew);
            Assert.Equal(expected.Loss.item<float>(), mine.Loss.item<float>(), 1e-4 * expected.Loss.item<float>());
            density = expected.Fires.mean().item<float>() / Batch;
            Assert.True((expected.Fires - mine.Fires).abs().sum().item<float>() <= 1, $"step {s}");
            Assert.True(IsClose(expected.Residual, mine.Residual) && IsClose(expected.Sums!, mine.Sums!), $"step {s}");
        }
        Assert.Equal(0, sparse.DoneAnew);
        Assert.InRange(density, 0.01, 0.1);
        var (theirs, own) = (dense.State(), sparse.State());
        foreach (string name in theirs.Keys) Assert.True(IsClose(theirs[name], own[name]), name);

        // Nearly everywhere: a latent just above zero owes its value to rounding, and Adam makes steps of one size of gradients of any.
        static bool IsClose(Tensor a, Tensor b) => ((a - b).abs() <= 1e-5 + 1e-4 * a.abs()).to(ScalarType.Float32).mean().item<float>() > 0.99;
    }

    [Theory]
    [InlineData(1, DecoderConstraint.Renormalise)]
    [InlineData(60, DecoderConstraint.ProjectAndRenormalise)]
    [InlineData(200, DecoderConstraint.Renormalise)] // enough for some of the steps
    public void With_too_few_slots_the_weights_become_the_same_to_the_last_bit(long slots, DecoderConstraint constraint)
    {
        using var scope = NewDisposeScope();
        using var start = Start();
        using var ample = Sparse(start, Batch * DSae, constraint);
        using var scant = Sparse(start, slots, constraint);
        for (int s = 1; s <= 20; s++)
        {
            Step(ample, s);
            Step(scant, s);
        }
        Assert.Equal(0, ample.DoneAnew);
        Assert.InRange(scant.DoneAnew, 1, 16 * 4);
        AssertSame(ample.State(), scant.State(), but: "entries");
        Assert.InRange(scant.Capacity, 100, 1000);
    }

    [Fact]
    public void A_step_that_does_not_fit_holds_all_weights_and_moments_still_until_the_host_looks()
    {
        using var scope = NewDisposeScope();
        using var start = Start();
        using var step = Sparse(start, Batch * DSae);
        for (int s = 1; s <= 16; s++) Step(step, s);
        var before = step.State().ToDictionary(p => p.Key, p => p.Value); // the step's own memory, not copies
        var copies = before.ToDictionary(p => p.Key, p => p.Value.clone());
        step.Capacity = 5;
        var broken = Rows(17);
        broken[3, 4] = float.NaN; // nor does what is not finite get into them
        for (int s = 17; s <= 20; s++) step.Run(s == 19 ? broken : Rows(s), s, 0.002, 0.5);
        AssertSame(copies, before, but: "entries");
        Step(step, 21);
        step.State();
        Assert.True(before["W_dec"].isnan().any().item<bool>(), "then all of them are done");
    }

    [Fact]
    public void What_touches_the_weights_comes_after_every_step_so_far()
    {
        using var scope = NewDisposeScope();
        using var start = Start();
        using var ample = Sparse(start, Batch * DSae);
        using var scant = Sparse(start, 30);
        foreach (var step in (TorchSparseStep[])[ample, scant])
        {
            for (int s = 1; s <= 5; s++) Step(step, s);
            step.Replace(tensor(new long[] { 3, 70 }), Drawn.Normal(1, DModel, 2), Drawn.Normal(2, 2, DModel));
            step.Capacity = step == scant ? 30 : step.Capacity;
            for (int s = 6; s <= 9; s++) Step(step, s);
        }
        using var expected = ample.ToAutoencoder();
        using var mine = scant.ToAutoencoder();
        Assert.True(expected.SameBits(mine));
        Assert.True(scant.DoneAnew > 5);
    }

    [Theory]
    [InlineData(5)]  // dense still
    [InlineData(16)]
    [InlineData(21)] // in the middle of a window, with steps to be done anew
    public void Stopped_and_restored_anywhere_it_ends_bit_equal(int stop)
    {
        using var scope = NewDisposeScope();
        using var start = Start();
        using var through = New();
        for (int s = 1; s <= 40; s++) Step(through, s);
        using var first = New();
        for (int s = 1; s <= stop; s++) Step(first, s);
        var saved = first.State().ToDictionary(p => p.Key, p => p.Value.clone());
        using var other = StandardSae.Create(DModel, DSae, seed: 99);
        using var second = new TorchSparseStep(other, new SaeTrainingOptions()) { SparseUpTo = 0.2 };
        Step(second, 1);
        second.Restore(saved);
        for (int s = stop + 1; s <= 40; s++) Step(second, s);
        AssertSame(through.State(), second.State());
        Assert.True(through.IsSparse && second.IsSparse);

        TorchSparseStep New() => new(start, new SaeTrainingOptions()) { SparseUpTo = 0.2 };
    }

    [Fact]
    public void Rows_gathered_in_several_parts_give_the_same_sums()
    {
        using var scope = NewDisposeScope();
        using var start = Some.Sae(4096, 48);
        using var dense = new DenseStep(start, new SaeTrainingOptions());
        using var sparse = Sparse(start, 5000); // parts of 4096 slots at this width
        var x = Drawn.Normal(1, 200, 4096);
        foreach (var step in (ISaeStep[])[dense, sparse]) step.Run(x, 1, learningRate: 0, sparsityCoefficient: 0.3);
        Assert.Equal(0, sparse.DoneAnew);
        foreach (string name in (string[])["W_enc.exp_avg", "W_dec.exp_avg", "b_enc.exp_avg", "b_dec.exp_avg"])
        {
            var (expected, mine) = (dense.State()[name], sparse.State()[name]);
            Assert.True(((expected - mine).norm() / expected.norm()).item<float>() < 1e-5, name);
        }
        Assert.InRange(dense.Run(x, 2, 0, 0).Fires.sum().item<float>(), 4097, 5000);
    }

    [Fact]
    public void A_checkpoint_goes_on_in_another_step_of_the_same_SAE()
    {
        using var scope = NewDisposeScope();
        using var start = Some.Sae(32, 64);
        ISaeStep[] steps = [new DenseStep(start, new()), new SparseStep(start, new()), new TorchSparseStep(start, new()) { SparseUpTo = 1, IsSparse = true, Capacity = 9 }];
        foreach (var from in steps)
            foreach (var to in steps)
            {
                from.Run(Drawn.Normal(1, 20, 32), 1, 0.01, 0.1);
                to.Restore(from.State());
                foreach (string name in (string[])["W_enc", "b_dec", "W_dec.exp_avg_sq"]) Assert.True(to.State()[name].SameBits(from.State()[name]), name);
                to.Run(Drawn.Normal(2, 20, 32), 2, 0.01, 0.1);
            }
        foreach (var step in steps) step.Dispose();
    }

    [Fact]
    public void Where_many_latents_are_above_zero_it_is_dense_and_sparse_again_where_few_are()
    {
        using var scope = NewDisposeScope();
        using var start = Some.Sae(DModel, DSae);
        using var step = new TorchSparseStep(start, new SaeTrainingOptions()) { IsSparse = true, Capacity = 10 };
        for (int s = 1; s <= 16; s++) Step(step, s);
        Assert.False(step.IsSparse);
        Assert.True(step.DoneAnew > 0);
        step.State()["b_enc"].fill_(-100);
        for (int s = 17; s <= 32; s++) Step(step, s);
        Assert.True(step.IsSparse && step.Capacity < 5);
        Assert.Equal(0, Step(step, 33).Fires.sum().item<float>());
        var before = step.State()["W_enc"].clone();
        Step(step, 34);
        Assert.True((step.State()["W_enc"] - before).abs().min().item<float>() > 0, "without an active token the moments still move all weights");
    }

    [Fact]
    public void Steps_done_anew_leave_no_tensors_behind()
    {
        using var outer = NewDisposeScope();
        using var start = Start();
        using var step = Sparse(start, 10);
        void Window(int first)
        {
            using var scope = NewDisposeScope();
            step.Capacity = 10;
            for (int s = first; s < first + 16; s++) Step(step, s);
        }
        Window(1);
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        for (int i = 1; i <= 3; i++) Window(1 + 16 * i);
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
        Assert.True(step.DoneAnew >= 4 * 16);
    }

    [Theory]
    [InlineData(0.3, 200)]
    [InlineData(0.3, 7)]
    [InlineData(0, 3)]
    [InlineData(1, 200)]
    public void Slots_hold_the_entries_above_zero_in_order_and_empty_ones_count_nothing(double density, long capacity)
    {
        using var scope = NewDisposeScope();
        var f = Drawn.Normal(1, 8, 25).abs_() * (Drawn.Normal(2, 8, 25).argsort(1).to(ScalarType.Float32) < 25 * density);
        using var slots = new EntrySlots(8, 25, capacity, CPU);
        var entries = slots.Fill(f, (f > 0).sum());
        var places = f.nonzero();
        long held = Math.Min(capacity, places.shape[0]);
        Assert.Equal(held, entries.Filled.sum().item<long>());
        Assert.True(stack([entries.Tokens, entries.Latents], 1).narrow(0, 0, held).eq(places.narrow(0, 0, held)).all().item<bool>());
        Assert.True(entries.Values.narrow(0, 0, held).eq(f.masked_select(f > 0).narrow(0, 0, held)).all().item<bool>());
        Assert.True(entries.Values.narrow(0, held, capacity - held).eq(0).all().item<bool>());
        Assert.True(((entries.Tokens >= 0) & (entries.Tokens < 8) & (entries.Latents >= 0) & (entries.Latents < 25)).all().item<bool>());
    }

    private static TorchSparseStep Sparse(StandardSae start, long slots, DecoderConstraint constraint = DecoderConstraint.Renormalise) =>
        new(start, new SaeTrainingOptions { DecoderConstraint = constraint }) { SparseUpTo = 1, IsSparse = true, Capacity = slots };

    private static SaeStepResult Step(ISaeStep step, int number) => step.Run(Rows(number), number, 0.002, 0.5);

    // Few latents above zero on a token.
    private static StandardSae Start()
    {
        using var scope = NewDisposeScope();
        using var born = Some.Sae(DModel, DSae);
        return new StandardSae(born.WEnc, born.WDec, born.BEnc - 1.0, born.BDec);
    }

    private static Tensor Rows(long seed) => Drawn.Normal(seed, Batch, DModel);

    private static void AssertSame(IReadOnlyDictionary<string, Tensor> expected, IReadOnlyDictionary<string, Tensor> mine, string? but = null)
    {
        foreach (string name in expected.Keys.Where(n => n != but)) Assert.True(expected[name].SameBits(mine[name]), name);
    }
}
