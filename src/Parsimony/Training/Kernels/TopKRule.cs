using Parsimony.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training.Kernels;

/// <summary>The k largest latents of each token, or the k · batch largest of a batch, plus <see cref="AuxK"/> for the dead: TopK, BatchTopK and Matryoshka, with the
/// losses of <see cref="TopKStep"/> and <see cref="BatchTopKStep"/>.</summary>
internal sealed unsafe class TopKRule : ISparseRule
{
    private readonly LatentParameter bEnc;
    private readonly SaeTrainingOptions options;
    private readonly bool perToken, applyBDecToInput;
    private readonly AuxK auxK;
    private readonly RunningThreshold threshold;
    private readonly LargestEntries largest = new();
    private double auxiliary;
    private float[] extraBias = [], extraAlong = []; // of the rows of the last AuxK
    private int[]? extraIndex;

    /// <param name="start">First weights; stays the caller's.</param>
    /// <param name="applyBDecToInput">Whether the encoder takes b_dec off its input.</param>
    /// <param name="options">Resolved options.</param>
    public TopKRule(ISparseAutoencoder start, bool applyBDecToInput, SaeTrainingOptions options)
    {
        (bEnc, this.options, this.applyBDecToInput) = (new("b_enc", start.Weights["b_enc"]), options, applyBDecToInput);
        perToken = options.Architecture is SaeArchitecture.Topk or SaeArchitecture.Transcoder;
        (auxK, threshold) = (new(options.TopK, start.DSae, start.DOut), new(options.TopK));
        IEnumerable<(int Start, int Count)> groups =
            options.Architecture == SaeArchitecture.MatryoshkaBatchtopk ? BatchTopKStep.Groups(options.TopK.GroupFractions, start.DSae) : [(0, start.DSae)];
        Reconstructions = [.. groups.Select(g => new Reconstruction(g.Start, g.Count))];
    }

    /// <inheritdoc/>
    public IReadOnlyList<LatentParameter> Parameters => [bEnc];

    /// <inheritdoc/>
    public IReadOnlyList<Reconstruction> Reconstructions { get; }

    /// <inheritdoc/>
    public bool IsNested => Reconstructions.Count > 1;

    /// <inheritdoc/>
    public int Main => Reconstructions.Count - 1;

    /// <inheritdoc/>
    public IEnumerable<(string Name, Tensor Tensor)> State => [auxK.State, threshold.State];

    /// <inheritdoc/>
    public void Find(SparseBatch batch)
    {
        int k = Schedules.K(options.TopK, (batch.Inputs.Step - 1) * batch.Tokens);
        double smallest = largest.Find(batch, bEnc.Values, k, perToken);
        threshold.Observe(tensor((float)smallest), batch.Inputs.Step, batch.Tokens);
    }

    /// <inheritdoc/>
    public LatentGradients Gate(ActiveEntries active, int latent, float rowNorm)
    {
        float* f = active.Values + active.Offsets[latent], df = active.Gradients + active.Offsets[latent];
        float sum = 0, along = 0, gradients = 0;
        if (extraIndex?[latent] is >= 0 and int row) (gradients, along) = (extraBias[row], extraAlong[row]);
        for (int i = 0; i < active.Counts[latent]; i++)
        {
            sum += f[i];
            along += f[i] * df[i];
            gradients += df[i];
        }
        bEnc.Gradients[latent] = gradients;
        return new(gradients, along, active.Counts[latent], sum, 0);
    }

    /// <inheritdoc/>
    public ExtraRows? Extra(SparseBatch batch, ISparsePasses passes)
    {
        (auxiliary, extraIndex) = (0, null);
        using var scope = NewDisposeScope();
        var fires = tensor(new ReadOnlySpan<int>(batch.Active.Counts, batch.Active.DSae).ToArray());
        if (auxK.Dead(fires, batch.Tokens) is not { } dead) return null;
        var input = batch.OffInput is { } off ? batch.X - off : batch.X;
        var (wEnc, wDec) = (batch.WEnc.index_select(0, dead), batch.WDec.index_select(0, dead));
        var positive = bEnc.Learned.Parameter.index_select(0, dead).addmm(input, wEnc.t()).relu_();
        var (loss, f, dReconstruction, dh) = auxK.Of(positive, passes.Residual(), wDec);
        auxiliary = loss.item<float>();
        extraBias = SaeGradients.OverTokens(dh).data<float>().ToArray();
        extraAlong = SaeGradients.OverTokens(f * dh).data<float>().ToArray();
        extraIndex = new int[batch.Active.DSae];
        Array.Fill(extraIndex, -1);
        long[] latents = dead.data<long>().ToArray();
        for (int row = 0; row < latents.Length; row++) extraIndex[latents[row]] = row;
        return new ExtraRows(extraIndex, dh.t().mm(input).MoveToOuterDisposeScope(), f.t().mm(dReconstruction).MoveToOuterDisposeScope());
    }

    /// <inheritdoc/>
    public (double Sparsity, double? Auxiliary) Terms(SparseMeasures measures) => (0, measures.SquaredErrors.Average() - measures.SquaredErrors[Main] + auxiliary);

    /// <inheritdoc/>
    public ISparseAutoencoder ToAutoencoder(Tensor wEnc, Tensor wDec, Tensor bDec)
    {
        var bias = bEnc.Learned.Parameter;
        if (perToken && !options.TopK.SaveAsJumprelu) return new TopKSae(wEnc, wDec, bias, bDec, options.TopK.K!.Value, applyBDecToInput);
        using var all = threshold.Of((int)wDec.shape[0]);
        return new JumpReluSae(wEnc, wDec, bias, bDec, all, applyBDecToInput);
    }

    public void Dispose()
    {
        foreach (IDisposable part in (IDisposable[])[bEnc, auxK, threshold, largest]) part.Dispose();
    }
}
