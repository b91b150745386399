using Parsimony.Autoencoders;
using Parsimony.Training;
using static TorchSharp.torch;

namespace Parsimony.Tests.Training;

/// <summary>The options under which a step repeats a reference run of fixtures/sae, and the step at its beginning.</summary>
internal static class GoldenArchitectures
{
    /// <summary>The reference's conventions as options.</summary>
    public static SaeTrainingOptions Options(string golden, GoldenSteps reference)
    {
        const DecoderConstraint projected = DecoderConstraint.ProjectAndRenormalise;
        var topK = new TopKOptions { K = 8, ThresholdAfterTokens = 10 * GoldenSteps.Batch, DeadAfterTokens = golden == "topk_aux" ? 512 : 10_000_000 };
        return golden switch
        {
            "topk" or "topk_aux" => new() { Architecture = SaeArchitecture.Topk, TopK = topK, DecoderConstraint = projected, GradientClip = 1 },
            "batchtopk" => new() { Architecture = SaeArchitecture.Batchtopk, TopK = topK, DecoderConstraint = projected, GradientClip = 1 },
            "jumprelu" => new()
            {
                Architecture = SaeArchitecture.Jumprelu,
                TargetL0 = reference.Config("target_l0"),
                Jumprelu = new() { L0Coefficient = 1, Bandwidth = reference.Config("bandwidth"), Window = JumpReluWindow.Activations },
                AdamBeta1 = 0,
                DecoderConstraint = projected,
                GradientClip = 1,
            },
            "gated" => new() { Architecture = SaeArchitecture.Gated, AdamBeta1 = 0, DecoderConstraint = projected, GradientClip = 0 },
            "saelens_gated" => new()
            {
                Architecture = SaeArchitecture.Gated,
                GatedAuxiliary = GatedAuxiliary.LearningDecoder,
                DecoderConstraint = DecoderConstraint.Free,
                GradientClip = 1,
            },
            "saelens_standard" => new() { DecoderConstraint = DecoderConstraint.Free, GradientClip = 1 },
            "neel" => new() { DecoderConstraint = DecoderConstraint.RenormaliseBefore, AdamBeta2 = reference.Config("beta2"), GradientClip = 0 },
            _ => throw new ArgumentException($"no conventions known for {golden}"),
        };
    }

    /// <summary>The step on the reference's first weights; for the TopK family b_dec is already the geometric median of the first batch.</summary>
    public static ISaeStep Start(string golden, GoldenSteps r, SaeTrainingOptions options, Tensor firstBatch)
    {
        Tensor At(string name) => r[$"init.{name}"];
        if (golden.Contains("gated", StringComparison.Ordinal))
        {
            using var gated = new GatedSae(At("W_enc"), At("W_dec"), At("b_gate"), At("b_mag"), At("r_mag"), At("b_dec"));
            return new GatedStep(gated, options);
        }
        using var median = GeometricMedian.Of(firstBatch);
        var (wEnc, wDec, bEnc, bDec) = (At("W_enc"), At("W_dec"), At("b_enc"), At("b_dec"));
        switch (golden)
        {
            case "topk" or "topk_aux":
                using (var sae = new TopKSae(wEnc, wDec, bEnc, median, 8)) return new TopKStep(sae, options);
            case "batchtopk":
                using (var sae = new StandardSae(wEnc, wDec, bEnc, median)) return new BatchTopKStep(sae, options);
            case "jumprelu":
                using (var sae = new JumpReluSae(wEnc, wDec, bEnc, bDec, At("threshold"), applyBDecToInput: false)) return new JumpReluStep(sae, options);
            default:
                using (var sae = new StandardSae(wEnc, wDec, bEnc, bDec)) return new ReluStep(sae, options);
        }
    }

    /// <summary>The weight of the sparsity term in step s, 0-based; Neel Nanda's L1 is a sum over the batch, ours a mean.</summary>
    public static double Coefficient(string golden, GoldenSteps reference, int s) => golden switch
    {
        "jumprelu" => reference.Config("sparsity_penalty"),
        "gated" => reference.Config("l1_penalty"),
        "saelens_gated" => reference.Config("l1_coefficient"),
        "saelens_standard" => reference.Config("l1_coefficient") * Math.Min(1, s / reference.Config("l1_warm_up_steps")),
        "neel" => reference.Config("l1_coeff") * GoldenSteps.Batch,
        _ => 0,
    };
}
