using System.Runtime.Intrinsics;
using Parsimony.Autoencoders;
using Parsimony.Training.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>
/// One step that touches only what is not zero: one dense product (x W_enc), one pass over parameters and moments, and sparse work for the rest. The same
/// mathematics as the dense steps (<see cref="DenseStep"/>, <see cref="ReluStep"/>, <see cref="TopKStep"/>, <see cref="BatchTopKStep"/>,
/// <see cref="JumpReluStep"/>, <see cref="GatedStep"/>, <see cref="TranscoderStep"/>), equal to rounding; latents without an active token still decay their moments and move.
/// </summary>
/// <remarks>On the CPU. Results do not depend on the number of threads.</remarks>
public sealed class SparseStep : ISaeStep
{
    private const long NotChosen = -1;
    private const string EncoderByName = "encoder_by";
    private readonly SaeTrainingOptions options;
    private readonly ISparseRule rule;
    private readonly ThreadTeam team;
    private readonly LearnedTensor wEnc, wDec, bDec; // both matrices [d_sae, d_model]
    private ISparsePasses? passes;
    private EncoderBy? encoderBy; // as a checkpoint said; a run must go on as it began

    /// <summary>Starts from an autoencoder, which is copied.</summary>
    /// <param name="start">First weights; stays the caller's. It also says whether b_dec is taken off the input.</param>
    /// <param name="options">The architecture's own options, Adam's constants, clipping, the decoder's constraint.</param>
    /// <exception cref="ArgumentException">What <see cref="Takes"/> refuses, or an autoencoder of another architecture than the options'.</exception>
    public SparseStep(ISparseAutoencoder start, SaeTrainingOptions options)
    {
        if (!Takes(options, start.DModel, start.DOut))
            throw new ArgumentException(
                $"The sparse step takes widths that {Narrowest} divides (d_model is {start.DModel}, d_out {start.DOut}), both the same, and any constraint but " +
                $"{nameof(DecoderConstraint.RenormaliseBefore)}. Use a dense step.");
        this.options = ArchitectureDefaults.Resolve(options.Validated()) with { ApplyBDecToInput = SparseRules.AppliesBDecToInput(start) };
        (DModel, DSae) = (start.DModel, start.DSae);
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        rule = SparseRules.Of(start, this.options);
        (wEnc, wDec, bDec) = (new(start.Weights["W_enc"].t()), new(start.WDec), new(start.Weights["b_dec"]));
        team = new ThreadTeam(get_num_threads());
    }

    private bool TargetIsInput => options.Architecture != SaeArchitecture.Transcoder;

    private static int Narrowest => TileKernel<Lanes128>.Columns;

    /// <inheritdoc/>
    public int DModel { get; }

    /// <inheritdoc/>
    public int DSae { get; }

    /// <summary>Whether this step can do what is asked: widths that 32 divides, the same of what is read and what is written, and every constraint but
    /// <see cref="DecoderConstraint.RenormaliseBefore"/>.</summary>
    public static bool Takes(SaeTrainingOptions options, int dModel, int dOut) =>
        dModel % Narrowest == 0 && dOut == dModel && options.DecoderConstraint != DecoderConstraint.RenormaliseBefore;

    /// <inheritdoc/>
    public SaeStepResult Run(Tensor x, Tensor target, SaeStepInputs inputs)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        int batch = checked((int)x.shape[0]);
        if (passes?.Batch != batch)
        {
            passes?.Dispose();
            passes = Passes(batch);
            passes.EncoderBy = encoderBy;
        }
        var measures = passes.Run(x.contiguous(), target.contiguous(), inputs);
        var (sparsity, auxiliary) = rule.Terms(measures);
        double mse = measures.SquaredErrors[rule.Main], loss = mse + inputs.SparsityCoefficient * sparsity + (auxiliary ?? 0);
        return new SaeStepResult(passes.Residual(), Scalar(loss), Scalar(mse), Scalar(sparsity), passes.Fires(), auxiliary is { } extra ? Scalar(extra) : null,
            passes.Sums()).MoveOut();
    }

    /// <inheritdoc/>
    public void Replace(Tensor latents, Tensor encoderColumns, Tensor decoderRows)
    {
        using var _ = no_grad();
        using var rows = encoderColumns.t();
        wEnc.Parameter.index_copy_(0, latents, rows);
        wDec.Parameter.index_copy_(0, latents, decoderRows);
        foreach (var parameter in rule.Parameters) parameter.Learned.Parameter.index_fill_(0, latents, 0);
        foreach (var learned in (LearnedTensor[])[wEnc, wDec, .. rule.Parameters.Select(p => p.Learned)]) learned.Forget(latents);
        rule.Replaced(latents);
    }

    /// <inheritdoc/>
    public ISparseAutoencoder ToAutoencoder()
    {
        using var columns = wEnc.Parameter.t();
        return rule.ToAutoencoder(columns, wDec.Parameter, bDec.Parameter);
    }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, Tensor> State()
    {
        var state = rule.State.ToDictionary(s => s.Name, s => s.Tensor);
        foreach (var (name, learned) in Named())
        {
            bool byLatent = name == "W_enc"; // held as rows, shown as columns
            state.Add(name, byLatent ? learned.Parameter.t() : learned.Parameter);
            state.Add($"{name}.exp_avg", byLatent ? learned.Mean.t() : learned.Mean);
            state.Add($"{name}.exp_avg_sq", byLatent ? learned.MeanSquare.t() : learned.MeanSquare);
        }
        state.Add(EncoderByName, tensor((long)(passes?.EncoderBy ?? encoderBy ?? (EncoderBy)NotChosen)));
        return state;
    }

    /// <inheritdoc/>
    public void Restore(IReadOnlyDictionary<string, Tensor> state)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var own = new Dictionary<string, Tensor>(State());
        own.Remove(EncoderByName);
        LearntWeights.Restore(own, state);
        long by = state.TryGetValue(EncoderByName, out var saved) ? saved.item<long>() : NotChosen; // a checkpoint of another step has none
        encoderBy = by == NotChosen ? null : (EncoderBy)by;
        passes?.Dispose();
        passes = null; // the next one multiplies as the saved run did
    }

    /// <summary>Frees weights, moments and buffers, and ends the threads.</summary>
    public void Dispose()
    {
        passes?.Dispose();
        team.Dispose();
        rule.Dispose();
        foreach (var learned in (LearnedTensor[])[wEnc, wDec, bDec]) learned.Dispose();
    }

    // The widest registers for the encoder's panels; for the tiles the widest of which eight divide d_model.
    private ISparsePasses Passes(int batch)
    {
        HugePages.ReturnFreed(); // the weights that these were copied from, before the moments double their place
        bool tile512 = Vector512.IsHardwareAccelerated && DModel % TileKernel<Lanes512>.Columns == 0;
        bool tile256 = Vector256.IsHardwareAccelerated && DModel % TileKernel<Lanes256>.Columns == 0;
        return (Vector512.IsHardwareAccelerated, Vector256.IsHardwareAccelerated, tile512, tile256) switch
        {
            (true, _, true, _) => new SparsePasses<Lanes512, Lanes512>(team, options, rule, wEnc, wDec, bDec, batch, TargetIsInput),
            (true, _, _, true) => new SparsePasses<Lanes512, Lanes256>(team, options, rule, wEnc, wDec, bDec, batch, TargetIsInput),
            (true, _, _, _) => new SparsePasses<Lanes512, Lanes128>(team, options, rule, wEnc, wDec, bDec, batch, TargetIsInput),
            (_, true, _, true) => new SparsePasses<Lanes256, Lanes256>(team, options, rule, wEnc, wDec, bDec, batch, TargetIsInput),
            (_, true, _, _) => new SparsePasses<Lanes256, Lanes128>(team, options, rule, wEnc, wDec, bDec, batch, TargetIsInput),
            _ => new SparsePasses<Lanes128, Lanes128>(team, options, rule, wEnc, wDec, bDec, batch, TargetIsInput),
        };
    }

    private IEnumerable<(string Name, LearnedTensor Learned)> Named() => [("W_enc", wEnc), ("W_dec", wDec), ("b_dec", bDec), .. rule.Parameters.Select(p => (p.Name, p.Learned))];

    private static Tensor Scalar(double value) => tensor((float)value);
}
