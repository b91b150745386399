using System.Numerics;
using Parsimony.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>
/// The article's step on the latents above zero, made of libtorch's operations on whatever device the weights are on, without reading anything back from it
/// in a step. The same mathematics as <see cref="DenseStep"/>, equal to rounding.
/// </summary>
/// <remarks>
/// How many latents are above zero only the device knows. They go into slots (<see cref="EntrySlots"/>), and every 16 steps the host reads the largest number seen
/// since, which decides the slots of the next 16 steps, or that these are done densely. When a step's latents do not fit, a flag on the device holds that step
/// and all later ones still: weights and moments stay, bit by bit, until the host looks (every 16 steps, and before anything else touches or copies the weights),
/// makes room and does exactly these steps anew. So no step is ever done on part of its latents. Batches are kept until then: the caller must not change them.
/// What <see cref="Run"/> returned for a step that was held still was computed with the weights before the first of them: its Fires, Sums and Sparsity are those of all
/// latents, its Residual, Mse and Loss of those that fit.
/// </remarks>
public sealed class TorchSparseStep : ISaeStep
{
    internal const int ReadEverySteps = 16;
    private const int Done = 0, Most = 1;
    private readonly SaeTrainingOptions options;
    private readonly Adam wEnc, wDec, bEnc, bDec; // both matrices [d_sae, d_model]
    private readonly AdamSwitch adamSwitch;
    private readonly Tensor moves; // a scalar, bool: all steps so far fitted
    private readonly Tensor seen;  // [2] int64: steps done since the host last looked; most latents above zero in a batch of this window
    private readonly List<(Tensor X, SaeStepInputs Inputs)> kept = []; // sparse steps since the host last looked
    private EntrySlots? slots;

    /// <summary>Starts from an autoencoder, which is copied; the weights stay on its device.</summary>
    /// <param name="start">First weights; stays the caller's.</param>
    /// <param name="options">Adam's constants and the decoder's constraint.</param>
    public TorchSparseStep(StandardSae start, SaeTrainingOptions options)
    {
        (this.options, DModel, DSae) = (options.Validated(), start.DModel, start.DSae);
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var device = start.WDec.device;
        (wEnc, wDec, bEnc, bDec) = (Learned(start.WEnc.t()), Learned(start.WDec), Learned(start.BEnc), Learned(start.BDec));
        adamSwitch = new AdamSwitch(this.options, device);
        moves = ones(1, ScalarType.Bool, device).view([]).DetachFromDisposeScope();
        seen = zeros(2, ScalarType.Int64, device).DetachFromDisposeScope();

        Adam Learned(Tensor t) => new(t.contiguous().clone().DetachFromDisposeScope(), this.options);
    }

    /// <inheritdoc/>
    public int DModel { get; }

    /// <inheritdoc/>
    public int DSae { get; }

    /// <summary>The share of latents above zero up to which a window's steps are sparse. On an H200 sparse and dense take as long at 0.0018 (d_model 4,096) to 0.0023 (512): docs/performance.md.</summary>
    internal double SparseUpTo { get; init; } = 1.0 / 512;

    /// <summary>Slots of the next sparse step.</summary>
    internal long Capacity { get; set; }

    /// <summary>Whether the steps of this window are sparse.</summary>
    internal bool IsSparse { get; set; }

    /// <summary>Steps that had to be done anew so far.</summary>
    internal long DoneAnew { get; private set; }

    /// <inheritdoc/>
    public SaeStepResult Run(Tensor x, Tensor target, SaeStepInputs inputs)
    {
        using var _ = no_grad();
        if (IsSparse) kept.Add((x.alias().DetachFromDisposeScope(), inputs));
        var result = IsSparse ? Sparse(x, inputs) : Dense(x, inputs);
        if (inputs.Step % ReadEverySteps == 0) EndWindow(x.shape[0]);
        else if (kept.Count == ReadEverySteps) Settle();
        return result;
    }

    /// <inheritdoc/>
    public void Replace(Tensor latents, Tensor encoderColumns, Tensor decoderRows)
    {
        Settle();
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        latents = latents.to(seen.device);
        wEnc.Parameter.index_copy_(0, latents, encoderColumns.t().to(seen.device));
        wDec.Parameter.index_copy_(0, latents, decoderRows.to(seen.device));
        bEnc.Parameter.index_fill_(0, latents, 0);
        foreach (var learned in (Adam[])[wEnc, wDec, bEnc]) learned.Forget(0, latents);
    }

    /// <inheritdoc/>
    public ISparseAutoencoder ToAutoencoder()
    {
        Settle();
        using var columns = wEnc.Parameter.t();
        return new StandardSae(columns, wDec.Parameter, bEnc.Parameter, bDec.Parameter);
    }

    /// <inheritdoc/>
    /// <remarks>Beside what <see cref="DenseStep"/> has, <c>entries</c>: whether this window is sparse, its slots, and the most latents above zero in it so far.</remarks>
    public IReadOnlyDictionary<string, Tensor> State()
    {
        Settle();
        var state = Weights();
        state.Add(Entries, tensor([IsSparse ? 1 : 0, Capacity, Read(Most)], ScalarType.Int64));
        return state;
    }

    /// <inheritdoc/>
    /// <remarks>Without <c>entries</c>, from a checkpoint of another step, it begins densely.</remarks>
    public void Restore(IReadOnlyDictionary<string, Tensor> state)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        Forget();
        LearntWeights.Restore(Weights(), state);
        long[] entries = state.TryGetValue(Entries, out var saved) ? saved.data<long>().ToArray() : [0, 0, 0];
        (IsSparse, Capacity) = (entries[0] == 1, entries[1]);
        seen[Most].fill_(entries[2]);
    }

    /// <summary>Frees weights, moments and slots.</summary>
    public void Dispose()
    {
        Forget();
        foreach (var (_, learned) in Named())
        {
            learned.Parameter.Dispose();
            learned.Dispose();
        }
        foreach (var mine in (IDisposable?[])[slots, adamSwitch, moves, seen]) mine?.Dispose();
    }

    private const string Entries = "entries";

    /// <summary>A step on the slots; holds still once one has not fitted.</summary>
    private SaeStepResult Sparse(Tensor x, SaeStepInputs inputs)
    {
        using var scope = NewDisposeScope();
        var (centred, f, result) = Encode(x);
        if (slots?.Batch != x.shape[0] || slots.Capacity != Capacity)
        {
            slots?.Dispose();
            slots = new EntrySlots(x.shape[0], DSae, Capacity, x.device);
        }
        var entries = slots.Fill(f, result.Count);
        Note(result.Count);
        var residual = SlotProducts.Residual(entries, wDec.Parameter, centred);
        var gradients = SlotProducts.Gradients(entries, wDec.Parameter, residual, centred, inputs.SparsityCoefficient, moves);
        var dBDec = gradients.DReconstruction.sub_(wEnc.Parameter.t().mv(gradients.BEnc));
        if (options.DecoderConstraint == DecoderConstraint.ProjectAndRenormalise) DecoderRow.ProjectOut(gradients.WDec, wDec.Parameter);

        var constants = adamSwitch.Constants(moves);
        wDec.Update(gradients.WDec, inputs.LearningRate, inputs.Step, constants);
        var norms = DecoderRow.Norms(wDec.Parameter);
        wDec.Parameter.div_(where(moves, norms, ones_like(norms)));
        wEnc.Update(gradients.WEnc, inputs.LearningRate, inputs.Step, constants);
        bEnc.Update(gradients.BEnc, inputs.LearningRate, inputs.Step, constants);
        bDec.Update(dBDec, inputs.LearningRate, inputs.Step, constants);
        return Result(result, residual, inputs).MoveOut();
    }

    /// <summary>The formulas of <see cref="DenseStep"/>, with W_enc held as rows.</summary>
    private SaeStepResult Dense(Tensor x, SaeStepInputs inputs)
    {
        using var scope = NewDisposeScope();
        var (centred, f, result) = Encode(x);
        using (var most = seen[Most]) most.copy_(maximum(most, result.Count));
        var residual = centred.addmm(f, wDec.Parameter, -1, 1);
        var dReconstruction = SaeGradients.OfMse(residual);
        var dh = dReconstruction.mm(wDec.Parameter.t()).add_(inputs.SparsityCoefficient / x.shape[0]).mul_(f > 0);
        var dBEnc = SaeGradients.OverTokens(dh);
        var dBDec = SaeGradients.OverTokens(dReconstruction).sub_(wEnc.Parameter.t().mv(dBEnc));
        var dDec = f.t().mm(dReconstruction);
        if (options.DecoderConstraint == DecoderConstraint.ProjectAndRenormalise) DecoderRow.ProjectOut(dDec, wDec.Parameter);

        wDec.Update(dDec, inputs.LearningRate, inputs.Step);
        DecoderRow.Renormalise(wDec.Parameter);
        wEnc.Update(dh.t().mm(centred), inputs.LearningRate, inputs.Step);
        bEnc.Update(dBEnc, inputs.LearningRate, inputs.Step);
        bDec.Update(dBDec, inputs.LearningRate, inputs.Step);
        return Result(result, residual, inputs).MoveOut();
    }

    private (Tensor Centred, Tensor F, Seen Of) Encode(Tensor x)
    {
        var centred = x - bDec.Parameter;                                          // [batch, d_model]
        var f = bEnc.Parameter.addmm(centred, wEnc.Parameter.t()).relu_();         // [batch, d_sae]
        var fires = SaeGradients.OverTokens(f > 0);                                // [d_sae] int64
        return (centred, f, new Seen(fires.to(ScalarType.Float32), SaeGradients.OverTokens(f), fires.sum()));
    }

    private static SaeStepResult Result(Seen of, Tensor residual, SaeStepInputs inputs)
    {
        var (mse, l1) = (SaeGradients.Mse(residual), of.Sums.sum().div_(residual.shape[0]));
        return new SaeStepResult(residual, mse + inputs.SparsityCoefficient * l1, mse, l1, of.Fires, Sums: of.Sums);
    }

    /// <summary>Takes in how many latents a sparse step found: the first that does not fit stops all that follow.</summary>
    private void Note(Tensor count)
    {
        var (done, most) = (seen[Done], seen[Most]);
        most.copy_(where(moves, maximum(most, count), most)); // what a held step finds says nothing: its weights are old
        moves.copy_(moves.logical_and(count <= Capacity));
        done.add_(moves);
    }

    /// <summary>Looks whether all steps were done, and does anew those that were not.</summary>
    private void Settle()
    {
        using var _ = no_grad();
        while (kept.Count > 0)
        {
            using var scope = NewDisposeScope();
            int done = (int)Read(Done);
            foreach (var (x, _) in kept[..done]) x.Dispose();
            kept.RemoveRange(0, done);
            Begin();
            if (kept.Count == 0) return;
            Capacity = SlotsFor(Read(Most), kept[0].X.shape[0]);
            DoneAnew += kept.Count;
            foreach (var (x, inputs) in kept) Sparse(x, inputs);
        }
    }

    /// <summary>Decides how the next window's steps are done, by the largest number of latents above zero in this one's.</summary>
    private void EndWindow(long batch)
    {
        Settle();
        using var scope = NewDisposeScope();
        long most = Read(Most), wanted = SlotsFor(most, batch);
        IsSparse = most <= SparseUpTo * batch * DSae;
        if (IsSparse && (most + most / 8 > Capacity || 2 * wanted < Capacity)) Capacity = wanted;
        seen[Most].fill_(0);
    }

    /// <summary>A quarter more than were seen, rounded up to three binary digits so that it seldom changes.</summary>
    private long SlotsFor(long most, long batch)
    {
        long wanted = most + most / 4 + 1, unit = 1L << Math.Max(0, 61 - BitOperations.LeadingZeroCount((ulong)wanted));
        return Math.Min((wanted + unit - 1) / unit * unit, batch * DSae);
    }

    private long Read(int what)
    {
        using var value = seen[what];
        return value.item<long>();
    }

    private void Forget()
    {
        foreach (var (x, _) in kept) x.Dispose();
        kept.Clear();
        using var scope = NewDisposeScope();
        Begin();
    }

    private void Begin()
    {
        moves.fill_(true);
        seen[Done].fill_(0);
    }

    private Dictionary<string, Tensor> Weights()
    {
        var state = new Dictionary<string, Tensor>();
        foreach (var (name, learned) in Named())
        {
            bool byLatent = name == "W_enc"; // held as rows, shown as columns
            state.Add(name, byLatent ? learned.Parameter.t() : learned.Parameter);
            state.Add($"{name}.exp_avg", byLatent ? learned.Mean.t() : learned.Mean);
            state.Add($"{name}.exp_avg_sq", byLatent ? learned.MeanSquare.t() : learned.MeanSquare);
        }
        return state;
    }

    private IEnumerable<(string Name, Adam Learned)> Named() => [("W_enc", wEnc), ("W_dec", wDec), ("b_enc", bEnc), ("b_dec", bDec)];

    // Of all latents of a batch: on how many tokens each is above zero, its sum, and how many there are in all.
    private readonly record struct Seen(Tensor Fires, Tensor Sums, Tensor Count);
}
