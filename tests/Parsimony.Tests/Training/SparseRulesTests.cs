using Parsimony.Autoencoders;
using Parsimony.Training;
using Parsimony.Training.Kernels;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Training;

/// <summary>The sparse step of every architecture against its dense one, under every convention that changes its gradients.</summary>
public sealed class SparseRulesTests
{
    private const int DModel = 64, DSae = 601, Batch = 75;

    private static readonly TopKOptions Topmost = new() { K = 7, DeadAfterTokens = 10_000 };

    private static readonly Dictionary<string, SaeTrainingOptions> Conventions = new()
    {
        ["standard"] = new(),
        ["standard, clipped"] = new() { GradientClip = 0.1 },
        ["standard, b_dec not taken off"] = new() { ApplyBDecToInput = false, DecoderConstraint = DecoderConstraint.ProjectAndRenormalise },
        ["standard, free"] = new() { DecoderConstraint = DecoderConstraint.Free },
        ["standard, free, unclipped"] = new() { DecoderConstraint = DecoderConstraint.Free, GradientClip = 0 },
        ["topk"] = new() { Architecture = SaeArchitecture.Topk, TopK = Topmost },
        ["topk, all dead but a few"] = new() { Architecture = SaeArchitecture.Topk, TopK = Topmost with { DeadAfterTokens = 64, AuxK = 5 } },
        ["topk, dead, projected, unclipped"] = new()
        {
            Architecture = SaeArchitecture.Topk,
            TopK = Topmost with { DeadAfterTokens = 64 },
            GradientClip = 0,
            DecoderConstraint = DecoderConstraint.ProjectAndRenormalise,
        },
        ["topk, dead, unclipped"] = new() { Architecture = SaeArchitecture.Topk, TopK = Topmost with { DeadAfterTokens = 64 }, GradientClip = 0 },
        ["topk, more than are positive"] = new() { Architecture = SaeArchitecture.Topk, TopK = Topmost with { K = 590 } },
        ["batchtopk"] = new() { Architecture = SaeArchitecture.Batchtopk, TopK = Topmost },
        ["matryoshka"] = new() { Architecture = SaeArchitecture.MatryoshkaBatchtopk, TopK = Topmost },
        ["matryoshka, dead, unclipped"] = new() { Architecture = SaeArchitecture.MatryoshkaBatchtopk, TopK = Topmost with { DeadAfterTokens = 64 }, GradientClip = 0 },
        ["jumprelu"] = new() { Architecture = SaeArchitecture.Jumprelu, TargetL0 = 9, Jumprelu = new() { Bandwidth = 0.8 } },
        ["jumprelu, window of activations"] = new() { Architecture = SaeArchitecture.Jumprelu, Jumprelu = new() { Bandwidth = 3, Window = JumpReluWindow.Activations } },
        ["gated"] = new() { Architecture = SaeArchitecture.Gated },
        ["gated, unclipped, learning decoder"] = new() { Architecture = SaeArchitecture.Gated, GradientClip = 0, GatedAuxiliary = GatedAuxiliary.LearningDecoder },
        ["gated, free"] = new() { Architecture = SaeArchitecture.Gated, DecoderConstraint = DecoderConstraint.Free },
        ["gated, projected, learning decoder"] = new()
        {
            Architecture = SaeArchitecture.Gated,
            DecoderConstraint = DecoderConstraint.ProjectAndRenormalise,
            GatedAuxiliary = GatedAuxiliary.LearningDecoder,
        },
        ["transcoder"] = new() { Architecture = SaeArchitecture.Transcoder },
        ["transcoder, k, skip"] = new() { Architecture = SaeArchitecture.Transcoder, TopK = Topmost with { DeadAfterTokens = 64 }, SkipConnection = true, GradientClip = 0.3 },
        ["transcoder, free, skip"] = new() { Architecture = SaeArchitecture.Transcoder, SkipConnection = true, DecoderConstraint = DecoderConstraint.Free },
    };

    public static TheoryData<string> Every => [.. Conventions.Keys];

    [Theory, MemberData(nameof(Every))]
    public void Gradients_and_losses_are_those_of_the_dense_step(string convention)
    {
        using var scope = NewDisposeScope();
        var options = Conventions[convention] with { AdamBeta1 = 0 }; // the moment is then the gradient
        using var start = Start(options);
        using var dense = SaeSteps.Dense(start, options);
        using var sparse = new SparseStep(start, options);
        for (int step = 1; step <= 3; step++)
        {
            var (x, inputs) = (Drawn.Normal(step, Batch, DModel), new SaeStepInputs(step, 1e-4, 0.05));
            var target = options.Architecture == SaeArchitecture.Transcoder ? Drawn.Normal(100 + step, Batch, DModel) : x;
            var (expected, actual) = (dense.Run(x, target, inputs), sparse.Run(x, target, inputs));
            AssertClose("loss", expected.Loss, actual.Loss);
            AssertClose("mse", expected.Mse, actual.Mse);
            AssertClose("sparsity", expected.Sparsity, actual.Sparsity);
            if (expected.Auxiliary is { } auxiliary && actual.Auxiliary is { } own) Assert.Equal(auxiliary.item<float>(), own.item<float>(), 1e-5 * expected.Loss.item<float>());
            Assert.True(expected.Fires.eq(actual.Fires).all().item<bool>());
            AssertClose("sums", expected.Sums!, actual.Sums!);
            AssertClose("residual", expected.Residual, actual.Residual);
            foreach (string name in dense.State().Keys.Intersect(sparse.State().Keys).Where(name => step == 1 || !name.Contains("exp_avg", StringComparison.Ordinal)))
                AssertClose(name, dense.State()[name], sparse.State()[name]);
        }
        using var trained = sparse.ToAutoencoder();
        using var other = dense.ToAutoencoder();
        Assert.Equal(other.Architecture, trained.Architecture);
        foreach (var (name, weight) in other.Weights) AssertClose(name, weight, trained.Weights[name]);
    }

    [Theory, InlineData(SaeArchitecture.Topk), InlineData(SaeArchitecture.Batchtopk)]
    public void Of_equal_values_no_more_than_k_stay(SaeArchitecture architecture)
    {
        using var scope = NewDisposeScope();
        var options = new SaeTrainingOptions { Architecture = architecture, TopK = Topmost };
        using var start = Start(options);
        start.Weights["W_enc"].copy_(start.Weights["W_enc"].narrow(1, 0, 1).expand(DModel, DSae)); // all latents alike
        start.Weights["b_enc"].fill_(100);
        using var sparse = new SparseStep(start, options);
        var seen = sparse.Run(Drawn.Normal(1, Batch, DModel), 1, 1e-4, 0);
        Assert.Equal(7 * Batch, seen.Fires.sum().item<float>());
        if (architecture == SaeArchitecture.Topk) Assert.Equal(7 * Batch, seen.Fires.narrow(0, 0, 7).sum().item<float>()); // the lower ones
    }

    [Theory, MemberData(nameof(Every))]
    public void The_number_of_threads_changes_no_bit(string convention)
    {
        using var scope = NewDisposeScope();
        var options = ArchitectureDefaults.Resolve(Conventions[convention]);
        using var start = Start(options);
        var results = new[] { 1, 3 }.Select(threads =>
        {
            var rule = SparseRules.Of(start, options);
            LearnedTensor wEnc = new(start.Weights["W_enc"].t()), wDec = new(start.WDec), bDec = new(start.Weights["b_dec"]);
            using var team = new ThreadTeam(threads);
            using var passes = new SparsePasses<Lanes256, Lanes256>(team, options, rule, wEnc, wDec, bDec, Batch, true) { EncoderBy = EncoderBy.Kernel };
            for (int step = 1; step <= 2; step++)
            {
                var x = Drawn.Normal(step, Batch, DModel);
                passes.Run(x, x, new SaeStepInputs(step, 0.003, 0.05));
            }
            return ((LearnedTensor[])[wEnc, wDec, bDec, .. rule.Parameters.Select(p => p.Learned)]).ToList();
        }).ToList();
        for (int i = 0; i < results[0].Count; i++) Assert.True(results[0][i].Parameter.SameBits(results[1][i].Parameter) && results[0][i].MeanSquare.SameBits(results[1][i].MeanSquare));
    }

    [Fact]
    public void An_SAE_of_another_architecture_is_refused()
    {
        using var sae = Some.Sae(64, 96);
        Assert.Contains("topk", Assert.Throws<ArgumentException>(() => new SparseStep(sae, new() { Architecture = SaeArchitecture.Topk, TopK = Topmost })).Message);
        using var narrow = Some.Sae(40, 96);
        Assert.Contains("32", Assert.Throws<ArgumentException>(() => new SparseStep(narrow, new())).Message);
    }

    private static ISparseAutoencoder Start(SaeTrainingOptions options)
    {
        using var scope = NewDisposeScope();
        using var newborn = StandardSae.Create(DModel, DSae, seed: 1);
        var (wEnc, wDec, bEnc, bDec) = (newborn.WEnc * 3, newborn.WDec * 0.9, Drawn.Normal(3, DSae) * 0.5 - 1, Drawn.Normal(4, DModel) * 0.1);
        return options.Architecture switch
        {
            SaeArchitecture.Transcoder => new Transcoder(wEnc, wDec, bEnc, bDec, options.SkipConnection ? Drawn.Normal(7, DModel, DModel) * 0.1 : null, options.TopK.K),
            SaeArchitecture.Topk => new TopKSae(wEnc, wDec, bEnc, bDec, options.TopK.K!.Value, options.ApplyBDecToInput),
            SaeArchitecture.Jumprelu => new JumpReluSae(wEnc, wDec, bEnc, bDec, Drawn.Normal(5, DSae).abs(), options.ApplyBDecToInput),
            SaeArchitecture.Gated => new GatedSae(wEnc, wDec, bEnc, bEnc + 0.2, Drawn.Normal(6, DSae) * 0.3, bDec, options.ApplyBDecToInput),
            _ => new StandardSae(wEnc, wDec, bEnc, bDec, options.ApplyBDecToInput),
        };
    }

    private static void AssertClose(string name, Tensor expected, Tensor actual)
    {
        Assert.Equal(expected.shape, actual.shape);
        double largest = expected.abs().max().to(ScalarType.Float64).item<double>(), off = (actual - expected).abs().max().to(ScalarType.Float64).item<double>();
        Assert.True(off <= 2e-5 * largest, $"{name} is off by {off:g3} of {largest:g3}");
    }
}
