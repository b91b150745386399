using System.Runtime.Intrinsics;
using Parsimony.Autoencoders;
using Parsimony.Training.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>
/// One step of the article's SAE that touches only what is not zero: one dense product (x W_enc), one pass over parameters and moments, and sparse work
/// for the rest. The same mathematics as <see cref="DenseStep"/>, equal to rounding; latents without an active token still decay their moments and move.
/// </summary>
/// <remarks>On the CPU. Results do not depend on the number of threads.</remarks>
public sealed class SparseStep : ISaeStep
{
    private readonly SaeTrainingOptions options;
    private readonly ThreadTeam team;
    private readonly LearnedTensor wEnc, wDec, bEnc, bDec; // both matrices [d_sae, d_model]
    private ISparsePasses? passes;
    private EncoderBy? encoderBy; // as a checkpoint said; a run must go on as it began

    /// <summary>Starts from an autoencoder, which is copied.</summary>
    /// <param name="start">First weights; stays the caller's.</param>
    /// <param name="options">Adam's constants and the decoder's constraint.</param>
    /// <exception cref="ArgumentException">A width that <see cref="Takes"/> refuses.</exception>
    public SparseStep(StandardSae start, SaeTrainingOptions options)
    {
        if (!Takes(start.DModel)) throw new ArgumentException($"d_model is {start.DModel}; the sparse step takes multiples of {Narrowest}. Use the dense step.");
        (this.options, DModel, DSae) = (options.Validated(), start.DModel, start.DSae);
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        (wEnc, wDec, bEnc, bDec) = (new(start.WEnc.t()), new(start.WDec), new(start.BEnc), new(start.BDec));
        team = new ThreadTeam(get_num_threads());
    }

    private const long NotChosen = -1;
    private const string EncoderByName = "encoder_by";

    private static int Narrowest => TileKernel<Lanes128>.Columns;

    /// <inheritdoc/>
    public int DModel { get; }

    /// <inheritdoc/>
    public int DSae { get; }

    /// <summary>Whether activations of this width can be trained on in this way: multiples of 32.</summary>
    public static bool Takes(int dModel) => dModel % Narrowest == 0;

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
        var (mse, l1) = passes.Run(x.contiguous(), inputs);
        return new SaeStepResult(passes.Residual(), Scalar(mse + inputs.SparsityCoefficient * l1), Scalar(mse), Scalar(l1), passes.Fires(), Sums: passes.Sums()).MoveOut();
    }

    /// <inheritdoc/>
    public void Replace(Tensor latents, Tensor encoderColumns, Tensor decoderRows)
    {
        using var _ = no_grad();
        using var rows = encoderColumns.t();
        wEnc.Parameter.index_copy_(0, latents, rows);
        wDec.Parameter.index_copy_(0, latents, decoderRows);
        bEnc.Parameter.index_fill_(0, latents, 0);
        foreach (var learned in (LearnedTensor[])[wEnc, wDec, bEnc]) learned.Forget(latents);
    }

    /// <inheritdoc/>
    public ISparseAutoencoder ToAutoencoder()
    {
        using var columns = wEnc.Parameter.t();
        return new StandardSae(columns, wDec.Parameter, bEnc.Parameter, bDec.Parameter);
    }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, Tensor> State()
    {
        var state = new Dictionary<string, Tensor>();
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
        foreach (var (_, learned) in Named()) learned.Dispose();
    }

    // The widest registers for the encoder's panels; for the tiles the widest of which eight divide d_model.
    private ISparsePasses Passes(int batch)
    {
        HugePages.ReturnFreed(); // the weights that these were copied from, before the moments double their place
        bool tile512 = Vector512.IsHardwareAccelerated && DModel % TileKernel<Lanes512>.Columns == 0;
        bool tile256 = Vector256.IsHardwareAccelerated && DModel % TileKernel<Lanes256>.Columns == 0;
        return (Vector512.IsHardwareAccelerated, Vector256.IsHardwareAccelerated, tile512, tile256) switch
        {
            (true, _, true, _) => new SparsePasses<Lanes512, Lanes512>(team, options, wEnc, wDec, bEnc, bDec, batch),
            (true, _, _, true) => new SparsePasses<Lanes512, Lanes256>(team, options, wEnc, wDec, bEnc, bDec, batch),
            (true, _, _, _) => new SparsePasses<Lanes512, Lanes128>(team, options, wEnc, wDec, bEnc, bDec, batch),
            (_, true, _, true) => new SparsePasses<Lanes256, Lanes256>(team, options, wEnc, wDec, bEnc, bDec, batch),
            (_, true, _, _) => new SparsePasses<Lanes256, Lanes128>(team, options, wEnc, wDec, bEnc, bDec, batch),
            _ => new SparsePasses<Lanes128, Lanes128>(team, options, wEnc, wDec, bEnc, bDec, batch),
        };
    }

    private IEnumerable<(string Name, LearnedTensor Learned)> Named() => [("W_enc", wEnc), ("W_dec", wDec), ("b_enc", bEnc), ("b_dec", bDec)];

    private static Tensor Scalar(double value) => tensor((float)value);
}
