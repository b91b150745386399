using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>
/// What one forward pass knows about its positions: the rotation of each and which tokens each may attend to.
/// Rotary embedding: Su et al. 2021 (arXiv 2104.09864), in the half-split form of GPT-NeoX and Llama.
/// </summary>
internal sealed class Positions
{
    private readonly Tensor cos, sin; // [batch or 1, 1, seq, rotary/2]
    private readonly int half;

    /// <summary>Plain, gap-free sequences that continue after <paramref name="past"/> cached tokens.</summary>
    public Positions(IModelConfig config, int past, int length, Device device)
        : this(config, arange(past, past + length, ScalarType.Int64, device).unsqueeze(0))
    {
        End = past + length;
        IsCausal = past == 0 && length > 1;
        if (past > 0 && length > 1) Mask = Causal(past, length, device);
    }

    /// <summary>Sequences with padding, told by a mask over cached and new tokens alike.</summary>
    /// <param name="config">The model's shape.</param>
    /// <param name="mask"><c>[batch, past + length]</c>, non-zero where there is a token.</param>
    /// <param name="past">Cached tokens.</param>
    /// <param name="length">New tokens.</param>
    public Positions(IModelConfig config, Tensor mask, int past, int length) : this(config, PositionIds(mask).narrow(1, past, length))
    {
        End = past + length;
        var present = mask.to_type(ScalarType.Bool).unsqueeze(1).unsqueeze(1); // [batch, 1, 1, past + length]
        // A padded query attends to itself, so that no softmax row is empty; nobody reads its output.
        var itself = eye(past + length, dtype: ScalarType.Bool, device: mask.device).narrow(0, past, length);
        Mask = Causal(past, length, mask.device).logical_and(present).logical_or(itself);
    }

    private Positions(IModelConfig config, Tensor ids)
    {
        Ids = ids;
        half = config.RotaryWidth / 2;
        var frequencies = pow(tensor(config.RotaryBase, device: ids.device), arange(0, half, ScalarType.Float32, ids.device) * (-2.0 / Math.Max(1, config.RotaryWidth)));
        var angles = ids.to_type(ScalarType.Float32).unsqueeze(-1) * frequencies; // [batch or 1, seq, half]
        cos = angles.cos().unsqueeze(1);
        sin = angles.sin().unsqueeze(1);
    }

    /// <summary>Each token's place in its sequence, <c>[batch or 1, seq]</c>, int64.</summary>
    public Tensor Ids { get; }

    /// <summary>Cached and new tokens together.</summary>
    public int End { get; }

    /// <summary>The different tokens of the batch, in a pass that begins with them; null where that does not help.</summary>
    public DistinctTokens? Distinct { get; set; }

    /// <summary>Whether plain causal attention is meant; then <see cref="Mask"/> is null.</summary>
    public bool IsCausal { get; }

    /// <summary><c>[.., seq, past + seq]</c>, true where a query may look; null when causal or when every key is allowed.</summary>
    public Tensor? Mask { get; }

    /// <summary>Rotates the first <c>rotary_pct</c> of each head: <c>[batch, heads, seq, d_head]</c>.</summary>
    public Tensor Rotate(Tensor x)
    {
        if (half == 0) return x;
        var a = x.narrow(-1, 0, half);
        var b = x.narrow(-1, half, half);
        long rest = x.size(-1) - 2 * half;
        var turned = new List<Tensor> { a * cos - b * sin, b * cos + a * sin };
        if (rest > 0) turned.Add(x.narrow(-1, 2 * half, rest));
        return cat(turned, -1);
    }

    // As transformers counts them: padding before the first token does not shift a sequence.
    private static Tensor PositionIds(Tensor mask) => (mask.to_type(ScalarType.Int64).cumsum(-1) - 1).clamp_min(0);

    private static Tensor Causal(int past, int length, Device device) => ones(length, past + length, ScalarType.Bool, device).tril(past);
}
