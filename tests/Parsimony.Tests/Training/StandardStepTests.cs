using Parsimony.Autoencoders;
using Parsimony.Training;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Training;

/// <summary>The ways to do the article's step, held to the same numbers.</summary>
public sealed class StandardStepTests
{
    public static TheoryData<string> Ways => ["dense", "sparse", "torch_sparse"];

    private const int DModel = 32, DSae = 101;
    private static readonly string[] Names = ["W_enc", "W_dec", "b_enc", "b_dec"];

    [Theory]
    [InlineData("dense", "standard_renorm")]
    [InlineData("dense", "standard_projgrad")] // its gradients are stored as they are before the projection
    [InlineData("sparse", "standard_renorm")]
    [InlineData("sparse", "standard_projgrad")]
    [InlineData("torch_sparse", "standard_renorm")]
    [InlineData("torch_sparse", "standard_projgrad")]
    public void First_gradients_are_the_reference_ones(string way, string golden)
    {
        using var scope = NewDisposeScope();
        var reference = new GoldenSteps(golden);
        using var step = Of(way, reference.Start(), new SaeTrainingOptions { DecoderConstraint = DecoderConstraint.Renormalise });
        step.Run(GoldenSteps.Activations().NextRows(), 1, learningRate: 0, reference.Config("l1_penalty"));
        foreach (string name in Names) // after one step Adam's mean is a tenth of the gradient
            reference.AssertClose("grad0", name, step.State()[$"{name}.exp_avg"] * 10, floor: 3e-5);
    }

    [Theory]
    [InlineData("dense", "standard_renorm", DecoderConstraint.Renormalise)]
    [InlineData("dense", "standard_projgrad", DecoderConstraint.ProjectAndRenormalise)]
    [InlineData("sparse", "standard_renorm", DecoderConstraint.Renormalise)]
    [InlineData("sparse", "standard_projgrad", DecoderConstraint.ProjectAndRenormalise)]
    [InlineData("torch_sparse", "standard_renorm", DecoderConstraint.Renormalise)]
    [InlineData("torch_sparse", "standard_projgrad", DecoderConstraint.ProjectAndRenormalise)]
    public void Weights_after_one_and_fifty_steps_and_all_losses_are_the_reference_ones(string way, string golden, DecoderConstraint constraint)
    {
        using var scope = NewDisposeScope();
        var reference = new GoldenSteps(golden);
        double beta = reference.Config("l1_penalty");
        using var step = Of(way, reference.Start(), new SaeTrainingOptions { DecoderConstraint = constraint });
        var source = GoldenSteps.Activations();
        var (loss, mse, l1, l0) = (new double[50], new double[50], new double[50], new double[50]);
        for (int s = 0; s < 50; s++)
        {
            var seen = step.Run(source.NextRows(), s + 1, reference.Config("lr"), beta);
            (mse[s], l1[s], l0[s]) = (seen.Mse.item<float>(), seen.Sparsity.item<float>(), seen.Fires.sum().item<float>() / GoldenSteps.Batch);
            loss[s] = mse[s] + beta * l1[s];
            if (s == 0) foreach (string name in Names) reference.AssertClose("step1", name, step.State()[name]);
        }
        foreach (string name in Names) reference.AssertClose("final", name, step.State()[name]);
        reference.AssertClose("trace", "loss", tensor(loss));
        reference.AssertClose("trace", "mse_loss", tensor(mse));
        reference.AssertClose("trace", "sparsity_loss", tensor(l1));
        reference.AssertClose("trace", "l0", tensor(l0));
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void Hand_derived_gradients_are_those_of_autograd(string way)
    {
        using var scope = NewDisposeScope();
        using var sae = Small();
        var x = Batch(1);
        using var step = Of(way, sae, new SaeTrainingOptions());
        step.Run(x, 1, learningRate: 0, sparsityCoefficient: 0.3);

        var weights = new[] { sae.WEnc, sae.WDec, sae.BEnc, sae.BDec }.Select(w => w.to(ScalarType.Float64).requires_grad_()).ToArray();
        var xd = x.to(ScalarType.Float64);
        var f = nn.functional.relu((xd - weights[3]).matmul(weights[0]) + weights[2]);
        var loss = (f.matmul(weights[1]) + weights[3] - xd).square().sum(1).mean() + 0.3 * f.sum(1).mean();
        loss.backward();
        for (int i = 0; i < 4; i++)
        {
            var mine = step.State()[$"{Names[i]}.exp_avg"].to(ScalarType.Float64) * 10;
            double error = ((mine - weights[i].grad!).norm() / weights[i].grad!.norm()).item<double>();
            Assert.True(error < 1e-6, $"{Names[i]}: relative error {error:g3}");
        }
    }

    [Fact]
    public void Adam_is_torchs_Adam()
    {
        using var scope = NewDisposeScope();
        var start = Drawn.Normal(0, 7, 5);
        var mine = start.clone();
        var theirs = nn.Parameter(start.clone());
        using var adam = new Adam(mine, new SaeTrainingOptions());
        using var reference = optim.Adam([theirs], lr: 0.01);
        for (int t = 1; t <= 20; t++)
        {
            var gradient = Drawn.Normal(t, 7, 5);
            theirs.grad = gradient.clone();
            reference.step();
            adam.Update(gradient, 0.01, t);
        }
        Assert.True((mine - theirs).abs().max().item<float>() < 1e-6);
    }

    [Theory]
    [InlineData("dense", DecoderConstraint.Renormalise)]
    [InlineData("dense", DecoderConstraint.ProjectAndRenormalise)]
    [InlineData("sparse", DecoderConstraint.Renormalise)]
    [InlineData("sparse", DecoderConstraint.ProjectAndRenormalise)]
    [InlineData("torch_sparse", DecoderConstraint.Renormalise)]
    [InlineData("torch_sparse", DecoderConstraint.ProjectAndRenormalise)]
    public void Decoder_rows_have_unit_norm_after_every_step(string way, DecoderConstraint constraint)
    {
        using var scope = NewDisposeScope();
        using var sae = Small();
        using var step = Of(way, sae, new SaeTrainingOptions { DecoderConstraint = constraint });
        for (int s = 1; s <= 5; s++)
        {
            step.Run(Batch(s), s, 0.01, 0.1);
            Assert.True((step.State()["W_dec"].norm(1) - 1).abs().max().item<float>() < 1e-6);
        }
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void Replaced_latents_are_new_and_all_others_untouched(string way)
    {
        using var scope = NewDisposeScope();
        using var sae = Small();
        using var step = Of(way, sae, new SaeTrainingOptions());
        for (int s = 1; s <= 3; s++) step.Run(Batch(s), s, 0.01, 0.1);
        var before = step.State().ToDictionary(p => p.Key, p => p.Value.clone());
        var latents = tensor(new long[] { 2, 7 });
        var (columns, rows) = (Drawn.Normal(1, DModel, 2), Drawn.Normal(2, 2, DModel));
        step.Replace(latents, columns, rows);

        var others = tensor(Enumerable.Range(0, DSae).Where(i => i is not (2 or 7)).Select(i => (long)i).ToArray());
        foreach (var (name, now) in step.State())
        {
            if (name.StartsWith("b_dec", StringComparison.Ordinal) || name is "encoder_by" or "entries") continue;
            int axis = name.StartsWith("W_enc", StringComparison.Ordinal) ? 1 : 0;
            Assert.True(now.index_select(axis, others).eq(before[name].index_select(axis, others)).all().item<bool>(), name);
            var replaced = now.index_select(axis, latents);
            var wanted = name switch { "W_enc" => columns, "W_dec" => rows, _ => zeros_like(replaced) };
            Assert.True(replaced.eq(wanted).all().item<bool>(), name);
        }
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void A_step_leaves_no_tensors_behind(string way)
    {
        using var outer = NewDisposeScope();
        using var sae = Small();
        using var step = Of(way, sae, new SaeTrainingOptions { DecoderConstraint = DecoderConstraint.ProjectAndRenormalise });
        var x = Batch(1);
        void Once()
        {
            using var scope = NewDisposeScope();
            for (int s = 1; s <= TorchSparseStep.ReadEverySteps; s++) step.Run(x, s, 0.01, 0.1);
        }
        Once();
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        for (int i = 0; i < 3; i++) Once();
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    private static ISaeStep Of(string way, StandardSae start, SaeTrainingOptions options) => way switch
    {
        "dense" => new DenseStep(start, options),
        "sparse" => new SparseStep(start, options),
        _ => new TorchSparseStep(start, options) { SparseUpTo = 1, IsSparse = true, Capacity = 1 << 15 },
    };

    private static StandardSae Small()
    {
        using var scope = NewDisposeScope();
        using var newborn = StandardSae.Create(DModel, DSae, seed: 1);
        return new StandardSae(newborn.WEnc, newborn.WDec, Drawn.Normal(3, DSae) * 0.1, Drawn.Normal(4, DModel) * 0.1);
    }

    private static Tensor Batch(long seed) => Drawn.Normal(seed, 50, DModel);
}
