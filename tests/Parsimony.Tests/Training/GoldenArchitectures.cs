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
    /// <param name="golden">Its name.</param>
    /// <param name="r">It.</param>
    /// <param name="options">As <see cref="Options"/> gives them.</param>
    /// <param name="firstBatch">Of activations.</param>
    /// <param name="sparse">By <see cref="SparseStep"/>; else by the architecture's dense step.</param>
    public static ISaeStep Start(string golden, GoldenSteps r, SaeTrainingOptions options, Tensor firstBatch, bool sparse)
    {
        using var start = Sae(golden, r, firstBatch);
        return sparse ? new SparseStep(start, options) : start is StandardSae sae && golden != "batchtopk" ? new ReluStep(sae, options) : SaeSteps.Dense(start, options);
    }

    private static ISparseAutoencoder Sae(string golden, GoldenSteps r, Tensor firstBatch)
    {
        Tensor At(string name) => r[$"init.{name}"];
        using var median = GeometricMedian.Of(firstBatch);
        var (wEnc, wDec, bDec) = (At("W_enc"), At("W_dec"), At("b_dec"));
        return golden switch
        {
            "topk" or "topk_aux" => new TopKSae(wEnc, wDec, At("b_enc"), median, 8),
            "batchtopk" => new StandardSae(wEnc, wDec, At("b_enc"), median),
            "jumprelu" => new JumpReluSae(wEnc, wDec, At("b_enc"), bDec, At("threshold"), applyBDecToInput: false),
            "gated" or "saelens_gated" => new GatedSae(wEnc, wDec, At("b_gate"), At("b_mag"), At("r_mag"), bDec),
            _ => new StandardSae(wEnc, wDec, At("b_enc"), bDec),
        };
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
