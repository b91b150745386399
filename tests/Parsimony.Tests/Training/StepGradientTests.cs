using Parsimony.Autoencoders;
using Parsimony.Training;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Training;

/// <summary>The steps that no reference run covers, against autograd in float64 on the loss as docs/training.md writes it.</summary>
public sealed class StepGradientTests
{
    private const int Width = 6, DSae = 16, Batch = 32;
    private static readonly long[] Token = [0], Axis = [1];
    private static readonly TopKOptions TopK = new() { K = 3, DeadAfterTokens = Batch, AuxK = 2, GroupFractions = [0.25, 0.25, 0.5] };

    [Fact]
    public void Matryoshka_learns_from_the_mean_over_prefixes()
    {
        using var scope = NewDisposeScope();
        var options = new SaeTrainingOptions { Architecture = SaeArchitecture.MatryoshkaBatchtopk, TopK = TopK, GradientClip = 0 };
        using var start = Some.Sae(Width, DSae);
        using var step = new BatchTopKStep(start, options);
        var x = Drawn.Normal(1, Batch, Width);
        AssertGradients(step, x, x, w =>
        {
            var positive = ((x - w["b_dec"]).matmul(w["W_enc"]) + w["b_enc"]).relu();
            var f = positive * (TopKSelection.PerBatch(positive.detach(), 3).F > 0);
            Tensor Prefix(int n) => (f.narrow(1, 0, n).matmul(w["W_dec"].narrow(0, 0, n)) + w["b_dec"] - x).square().sum(Axis).mean();
            return (Prefix(4) + Prefix(8) + Prefix(16)) / 3 + AuxKLoss(f, positive, f.matmul(w["W_dec"]) + w["b_dec"] - x, w["W_dec"]);
        });
    }

    [Theory]
    [InlineData(null, false, DecoderConstraint.Renormalise)]
    [InlineData(null, true, DecoderConstraint.Free)]
    [InlineData(3, true, DecoderConstraint.Renormalise)]
    public void A_transcoder_learns_to_write_the_other_hook(int? k, bool skip, DecoderConstraint constraint)
    {
        using var scope = NewDisposeScope();
        const int outWidth = 4;
        var options = new SaeTrainingOptions { Architecture = SaeArchitecture.Transcoder, TopK = TopK with { K = k }, GradientClip = 0, DecoderConstraint = constraint };
        using var start = new Transcoder(Drawn.Normal(2, Width, DSae), Drawn.Normal(3, DSae, outWidth), Drawn.Normal(4, DSae), Drawn.Normal(5, outWidth),
            skip ? Drawn.Normal(6, Width, outWidth) : null, k);
        using var step = new TranscoderStep(start, options);
        var (x, y) = (Drawn.Normal(1, Batch, Width), Drawn.Normal(7, Batch, outWidth));
        AssertGradients(step, x, y, w =>
        {
            var positive = (x.to(ScalarType.Float64).matmul(w["W_enc"]) + w["b_enc"]).relu();
            var f = k is null ? positive : positive * (TopKSelection.PerToken(positive.detach(), 3).F > 0);
            var residual = f.matmul(w["W_dec"]) + w["b_dec"] - y;
            if (skip) residual += x.to(ScalarType.Float64).matmul(w["W_skip"]);
            var loss = residual.square().sum(Axis).mean();
            if (k is not null) return loss + AuxKLoss(f, positive, residual, w["W_dec"]);
            return loss + 0.3 * (constraint == DecoderConstraint.Free ? f * w["W_dec"].norm(1) : f).sum(Axis).mean();
        });
    }

    [Theory]
    [InlineData(4.0)]
    [InlineData(null)]
    public void JumpReLU_learns_by_the_straight_through_estimator(double? targetL0)
    {
        using var scope = NewDisposeScope();
        const double bandwidth = 0.5;
        var options = new SaeTrainingOptions { Architecture = SaeArchitecture.Jumprelu, TargetL0 = targetL0, GradientClip = 0, Jumprelu = new() { Bandwidth = bandwidth } };
        using var born = Some.Sae(Width, DSae);
        using var start = new JumpReluSae(born.WEnc, born.WDec, born.BEnc, born.BDec, full(DSae, 0.3f));
        using var step = new JumpReluStep(start, options);
        var x = Drawn.Normal(1, Batch, Width);
        AssertGradients(step, x, x, w =>
        {
            var theta = w["threshold"];
            var h = (x - w["b_dec"]).matmul(w["W_enc"]) + w["b_enc"];
            var on = (h > theta).to(ScalarType.Float64).detach();
            var near = ((h - theta).abs() < bandwidth / 2).to(ScalarType.Float64).detach();
            var through = theta - theta.detach(); // zero in value, one in gradient
            var f = h * on - through * (near * theta.detach() / bandwidth);
            var l0 = (on - through * (near / bandwidth)).sum(Axis).mean();
            var sparsity = targetL0 is { } wanted ? (l0 / wanted - 1).square() : l0;
            return (f.matmul(w["W_dec"]) + w["b_dec"] - x).square().sum(Axis).mean() + 0.3 * sparsity;
        });
    }

    [Theory]
    [InlineData(GatedAuxiliary.FrozenDecoder, DecoderConstraint.Free)]
    [InlineData(GatedAuxiliary.LearningDecoder, DecoderConstraint.Renormalise)]
    public void Gated_may_mix_the_conventions_of_its_peers(GatedAuxiliary auxiliary, DecoderConstraint constraint)
    {
        using var scope = NewDisposeScope();
        var options = new SaeTrainingOptions { Architecture = SaeArchitecture.Gated, GatedAuxiliary = auxiliary, DecoderConstraint = constraint, GradientClip = 0 };
        using var born = Some.Sae(Width, DSae);
        using var start = new GatedSae(born.WEnc, born.WDec, born.BEnc, Drawn.Normal(8, DSae) * 0.1, Drawn.Normal(9, DSae) * 0.1, born.BDec);
        using var step = new GatedStep(start, options);
        var x = Drawn.Normal(1, Batch, Width);
        AssertGradients(step, x, x, w =>
        {
            var u = (x - w["b_dec"]).matmul(w["W_enc"]);
            var gate = (u + w["b_gate"]).relu();
            var f = (u * w["r_mag"].exp() + w["b_mag"]).relu() * (gate > 0);
            bool frozen = auxiliary == GatedAuxiliary.FrozenDecoder;
            var (wDec, bDec) = frozen ? (w["W_dec"].detach(), w["b_dec"].detach()) : (w["W_dec"], w["b_dec"]);
            var l1 = (constraint == DecoderConstraint.Free ? gate * w["W_dec"].norm(1) : gate).sum(Axis).mean();
            return (f.matmul(w["W_dec"]) + w["b_dec"] - x).square().sum(Axis).mean() + 0.3 * l1 + (gate.matmul(wDec) + bDec - x).square().sum(Axis).mean();
        });
    }

    [Fact]
    public void Groups_cover_all_latents_once()
    {
        Assert.Equal([(0, 2), (2, 4), (6, 8), (14, 16), (30, 34)], BatchTopKStep.Groups([1.0 / 32, 1.0 / 16, 1.0 / 8, 1.0 / 4, 17.0 / 32], 64));
        Assert.Equal([(0, 3), (3, 4)], BatchTopKStep.Groups([0.1, 0.45, 0.45], 7));
    }

    /// <summary>The dead are those that this one batch did not keep, as <see cref="TopK"/> says.</summary>
    private static Tensor AuxKLoss(Tensor f, Tensor positive, Tensor residual, Tensor wDec)
    {
        var dead = (f > 0).any(0).logical_not();
        var e = -residual.detach();
        var aux = TopKSelection.PerToken((positive * dead).detach(), 2).F > 0;
        var missed = e - (positive * aux).matmul(wDec);
        return missed.square().sum(Axis).mean() / (e - e.mean(Token)).square().sum(Axis).mean() / 32;
    }

    private static void AssertGradients(ISaeStep step, Tensor x, Tensor target, Func<Dictionary<string, Tensor>, Tensor> loss)
    {
        var names = step.State().Keys.Where(k => step.State().ContainsKey($"{k}.exp_avg")).ToList();
        var weights = names.ToDictionary(name => name, name => step.State()[name].to(ScalarType.Float64).clone().requires_grad_());
        var seen = step.Run(x, target, new SaeStepInputs(1, LearningRate: 0, SparsityCoefficient: 0.3));
        var expected = loss(weights);
        expected.backward();
        Assert.Equal(expected.item<double>(), seen.Loss.item<float>(), 1e-5 * expected.item<double>());
        foreach (string name in names)
        {
            var (mine, theirs) = (step.State()[$"{name}.exp_avg"].to(ScalarType.Float64) * 10, weights[name].grad!);
            double error = ((mine - theirs).norm() / theirs.norm()).item<double>();
            Assert.True(error < 1e-5, $"{name}: relative error {error:g3}");
        }
    }
}
