using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>Token ids to the residual stream that enters the first layer.</summary>
/// <param name="tokens"><c>[d_vocab, d_model]</c>, of any float type; owned.</param>
/// <param name="positions"><c>[max_seq, d_model]</c>, one learned row per position, owned; null where attention rotates instead.</param>
internal sealed class Embedding(Tensor tokens, Tensor? positions = null) : IDisposable
{
    /// <summary>Bytes it takes in memory.</summary>
    public long Bytes => tokens.numel() * tokens.ElementSize + (positions is null ? 0 : positions.numel() * positions.ElementSize);

    /// <summary>Ids <c>[batch, seq]</c> to <c>[batch, seq, d_model]</c>.</summary>
    /// <exception cref="ArgumentException">The sequence is longer than there are position rows.</exception>
    public Tensor Apply(Tensor ids, Positions at)
    {
        if (positions is not null && at.End > positions.size(0)) throw new ArgumentException(
            $"the sequence has {at.End} tokens, and this model has embeddings of {positions.size(0)} positions; give shorter sequences.");
        var x = Rows(tokens, ids.to(tokens.device));
        return positions is null ? x : x + Rows(positions, at.Ids);
    }

    private static Tensor Rows(Tensor table, Tensor ids) =>
        table.index_select(0, ids.reshape(-1)).view(ids.size(0), ids.size(1), table.size(1)).to(ScalarType.Float32);

    public void Dispose()
    {
        tokens.Dispose();
        positions?.Dispose();
    }
}
