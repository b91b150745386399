using Parsimony.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>The one place where an architecture's name becomes the step that trains it.</summary>
public static class SaeSteps
{
    /// <summary>A newborn SAE in the step that trains it.</summary>
    /// <param name="options">Architecture, size, seed and how it is born.</param>
    /// <param name="dModel">Width of what is read.</param>
    /// <param name="dOut">Width of what is written; <paramref name="dModel"/> but for transcoders.</param>
    /// <exception cref="ArgumentException">Options out of range.</exception>
    public static ISaeStep Newborn(SaeTrainingOptions options, int dModel, int dOut)
    {
        int dSae = options.LatentsFor(dModel);
        var o = ArchitectureDefaults.Resolve((options with { DSae = dSae }).Validated()); // now that d_sae is known, k is held against it
        using var scope = NewDisposeScope();
        using var generator = new Generator(unchecked((ulong)o.Seed), CPU);
        var wEnc = KaimingUniform.EncoderColumns(dModel, dSae, dSae, generator); // drawn in any case: the decoder then does not depend on the encoder's start
        var wDec = KaimingUniform.DecoderRows(dSae, dOut, generator);
        if (o.Start.EncoderStart == EncoderStart.DecoderTransposed && dOut == dModel) wEnc = wDec.t();
        if (o.Start.DecoderStartNorm is { } length && length != 1) wDec.mul_(length);
        var (bEnc, bDec, centred) = (zeros(dSae), zeros(dOut), o.ApplyBDecToInput);
        StandardSae Affine() => new(wEnc, wDec, bEnc, bDec, centred);

        switch (o.Architecture)
        {
            case SaeArchitecture.Topk:
                using (var sae = new TopKSae(wEnc, wDec, bEnc, bDec, o.TopK.K!.Value, centred)) return new TopKStep(sae, options);
            case SaeArchitecture.Batchtopk or SaeArchitecture.MatryoshkaBatchtopk:
                using (var sae = Affine()) return new BatchTopKStep(sae, options);
            case SaeArchitecture.Jumprelu:
                using (var sae = new JumpReluSae(wEnc, wDec, bEnc, bDec, full(dSae, o.Jumprelu.FirstThreshold), centred)) return new JumpReluStep(sae, options);
            case SaeArchitecture.Gated:
                using (var sae = new GatedSae(wEnc, wDec, bEnc, bEnc, bEnc, bDec, centred)) return new GatedStep(sae, options);
            case SaeArchitecture.Transcoder:
                var skip = o.SkipConnection ? zeros(dModel, dOut) : null;
                using (var sae = new Transcoder(wEnc, wDec, bEnc, bDec, skip, o.TopK.K)) return new TranscoderStep(sae, options);
            default:
                using (var sae = Affine()) return !IsTheArticles(o) ? new ReluStep(sae, options) : SparseStep.Takes(dModel) ? new SparseStep(sae, options) : new DenseStep(sae, options);
        }
    }

    /// <summary>Whether <see cref="SparseStep"/> and <see cref="DenseStep"/> do what the options ask.</summary>
    private static bool IsTheArticles(SaeTrainingOptions o) => o is
    {
        GradientClip: 0,
        ApplyBDecToInput: true,
        DecoderConstraint: DecoderConstraint.Renormalise or DecoderConstraint.ProjectAndRenormalise,
    };
}
