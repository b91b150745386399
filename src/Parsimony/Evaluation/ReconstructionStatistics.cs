using Parsimony.Autoencoders;
using Parsimony.Splicing;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Evaluation;

/// <summary>Sums over tokens from which the mean activation, the explained variance and the firing rates follow.</summary>
internal sealed class ReconstructionStatistics : IDisposable
{
    private readonly ISparseAutoencoder sae;
    private readonly Tensor? scale, shift;
    private readonly Tensor sum;                    // [d_out], float64
    private readonly Tensor fired;                  // [d_sae], int64
    private readonly ExplainedVariance explained = new();

    public ReconstructionStatistics(ISparseAutoencoder sae, Tensor? scale, Tensor? shift)
    {
        (this.sae, this.scale, this.shift) = (sae, scale, shift);
        sum = zeros(sae.DOut, ScalarType.Float64).DetachFromDisposeScope();
        fired = zeros(sae.DSae, ScalarType.Int64).DetachFromDisposeScope();
    }

    /// <summary>1 - sum |x - xHat|² / sum |x - mean x|².</summary>
    public double ExplainedVariance => explained.Value;

    /// <summary>Counts the tokens of what a transcoder reads, <c>[.., d_model]</c>, and should write, <c>[.., d_out]</c>.</summary>
    public void Add(Tensor read, Tensor written)
    {
        using var scope = NewDisposeScope();
        var x = read.reshape(-1, sae.DModel).to(sae.WDec.dtype);
        var y = written.reshape(-1, sae.DOut).to(sae.WDec.dtype);
        Add(y, y - sae.Reconstruct(x), sae.Encode(x));
    }

    /// <summary>Counts the tokens of an activation, <c>[.., d_model]</c>.</summary>
    public void Add(Tensor activation)
    {
        using var scope = NewDisposeScope();
        var x = activation.reshape(-1, sae.DModel).to(sae.WDec.dtype);          // [tokens, d_model]
        var f = Taps.Latents(sae, x, scale, shift);              // [tokens, d_sae]
        Add(x, x - sae.Decode(f), f);
    }

    private void Add(Tensor x, Tensor residual, Tensor f)
    {
        explained.Add(x, residual);
        sum.add_(x.sum(0, type: ScalarType.Float64));
        fired.add_(f.gt(0).sum(0, type: ScalarType.Int64)); // sum(0) alone would take 0 for a type
    }

    /// <summary>The mean activation, of a transcoder that at its output, <c>[d_out]</c>, in the SAE's type; the caller owns it.</summary>
    public Tensor Mean()
    {
        using var scope = NewDisposeScope();
        return (sum / explained.Tokens).to(sae.WDec.dtype).MoveToOuterDisposeScope();
    }

    public SparsityReport Sparsity() => SparsityReport.FromCounts(fired.data<long>().ToArray(), explained.Tokens);

    public void Dispose()
    {
        sum.Dispose();
        fired.Dispose();
    }
}
