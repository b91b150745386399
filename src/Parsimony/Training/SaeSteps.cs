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
    /// <param name="device">Where it learns; null: the processor. Drawn on the processor in any case, so that it is the same newborn.</param>
    /// <exception cref="ArgumentException">Options out of range.</exception>
    public static ISaeStep Newborn(SaeTrainingOptions options, int dModel, int dOut, Device? device = null)
    {
        int dSae = options.LatentsFor(dModel);
        var o = ArchitectureDefaults.Resolve((options with { DSae = dSae }).Validated()); // now that d_sae is known, k is held against it
        using var scope = NewDisposeScope();
        using var generator = new Generator(unchecked((ulong)o.Seed), CPU);
        var wEnc = KaimingUniform.EncoderColumns(dModel, dSae, dSae, generator); // drawn in any case: the decoder then does not depend on the encoder's start
        var wDec = KaimingUniform.DecoderRows(dSae, dOut, generator);
        if (o.Start.EncoderStart == EncoderStart.DecoderTransposed && dOut == dModel) wEnc = wDec.t();
        if (o.Start.DecoderStartNorm is { } length && length != 1) wDec.mul_(length);
        device ??= CPU;
        (wEnc, wDec) = (wEnc.to(device), wDec.to(device));
        var (bEnc, bDec, centred) = (zeros(dSae, device: device), zeros(dOut, device: device), o.ApplyBDecToInput);
        using ISparseAutoencoder start = o.Architecture switch
        {
            SaeArchitecture.Topk => new TopKSae(wEnc, wDec, bEnc, bDec, o.TopK.K!.Value, centred),
            SaeArchitecture.Jumprelu => new JumpReluSae(wEnc, wDec, bEnc, bDec, full(dSae, o.Jumprelu.FirstThreshold, device: device), centred),
            SaeArchitecture.Gated => new GatedSae(wEnc, wDec, bEnc, bEnc, bEnc, bDec, centred),
            SaeArchitecture.Transcoder => new Transcoder(wEnc, wDec, bEnc, bDec, o.SkipConnection ? zeros(dModel, dOut, device: device) : null, o.TopK.K),
            _ => new StandardSae(wEnc, wDec, bEnc, bDec, centred),
        };
        return device.type == DeviceType.CPU && SparseStep.Takes(options, dModel, dOut) ? new SparseStep(start, options) : Dense(start, options);
    }

    /// <summary>The same step made of libtorch's products: for widths and conventions that the sparse one does not take, and where its kernels do not run.</summary>
    /// <param name="start">First weights, which are copied.</param>
    /// <param name="options">The same that it was made by.</param>
    internal static ISaeStep Dense(ISparseAutoencoder start, SaeTrainingOptions options) => start switch
    {
        TopKSae sae => new TopKStep(sae, options),
        JumpReluSae sae => new JumpReluStep(sae, options),
        GatedSae sae => new GatedStep(sae, options),
        Transcoder sae => new TranscoderStep(sae, options),
        StandardSae sae when ArchitectureDefaults.NeedsK(options.Architecture) => new BatchTopKStep(sae, options),
        StandardSae sae when IsTheArticles(ArchitectureDefaults.Resolve(options)) =>
            sae.WDec.device_type == DeviceType.CPU ? new DenseStep(sae, options) : new TorchSparseStep(sae, options),
        StandardSae sae => new ReluStep(sae, options),
        _ => throw new ArgumentException($"no step trains a {start.Architecture} SAE."),
    };

    /// <summary>Whether <see cref="DenseStep"/> and <see cref="TorchSparseStep"/> do what the options ask.</summary>
    private static bool IsTheArticles(SaeTrainingOptions o) => o is
    {
        GradientClip: 0,
        ApplyBDecToInput: true,
        DecoderConstraint: DecoderConstraint.Renormalise or DecoderConstraint.ProjectAndRenormalise,
    };
}
