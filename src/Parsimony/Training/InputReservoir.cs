using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>
/// A sample of a stream of inputs, drawn without replacement with chances in proportion to weights, one batch at a time: A-Res of Efraimidis and Spirakis
/// (2006, "Weighted random sampling with a reservoir"). Each input gets the key u^(1/w), u uniform in (0, 1), and the largest keys stay; so where in the
/// stream an input came makes no difference, and the first of the kept ones are the smaller sample.
/// </summary>
/// <remarks>Held on the processor, wherever the inputs are. Keys are held as ln w - ln(-ln u), which has the same order and cannot underflow. An empty place has the key -∞.</remarks>
internal sealed class InputReservoir : IDisposable
{
    private const string Keys = "keys", Inputs = "x", Targets = "target";
    private static readonly double SmallestUniform = Math.ScaleB(1, -54);
    private readonly Dictionary<string, Tensor> held; // keys [capacity] float64, x [capacity, d_model], target [capacity, d_out] unless it is x

    private InputReservoir(Dictionary<string, Tensor> held)
    {
        this.held = held;
        foreach (var t in held.Values) t.DetachFromDisposeScope();
    }

    /// <summary>An empty one.</summary>
    /// <param name="capacity">The largest sample there can be a use for.</param>
    /// <param name="dModel">Width of inputs.</param>
    /// <param name="dOut">Width of what shall come out; null: it is the input itself.</param>
    public InputReservoir(long capacity, int dModel, int? dOut)
        : this(new Dictionary<string, Tensor> { [Keys] = full([capacity], double.NegativeInfinity, ScalarType.Float64, CPU), [Inputs] = zeros(capacity, dModel, device: CPU) })
    {
        if (dOut is { } width) held[Targets] = zeros(capacity, width, device: CPU).DetachFromDisposeScope();
    }

    /// <summary>Lets a batch take part in the draw.</summary>
    /// <param name="weights">How likely each is drawn, up to a factor that all batches share, <c>[batch]</c> float64; 0: never.</param>
    /// <param name="x">Inputs, <c>[batch, d_model]</c>; those that stay are copied.</param>
    /// <param name="target">What shall come out of them, <c>[batch, d_out]</c>; not looked at where it is the input.</param>
    /// <param name="generator">Source of the draw.</param>
    public void Add(Tensor weights, Tensor x, Tensor target, Generator generator)
    {
        using var scope = NewDisposeScope();
        long capacity = held[Keys].shape[0];
        var u = rand(weights.shape[0], ScalarType.Float64, CPU, generator: generator).clamp_min_(SmallestUniform);
        var keys = cat([held[Keys], weights.cpu().log() - u.log_().neg_().log_()]);
        var (best, at) = keys.topk((int)capacity);
        var coming = at.masked_select((at >= capacity).logical_and_(best > double.NegativeInfinity));
        if (coming.shape[0] == 0) return;
        var stays = zeros(keys.shape[0], ScalarType.Bool, CPU).index_fill_(0, at, true).narrow(0, 0, capacity);
        var places = stays.logical_not().nonzero().reshape(-1).narrow(0, 0, coming.shape[0]);
        held[Keys].index_copy_(0, places, keys.index_select(0, coming));
        coming.sub_(capacity);
        held[Inputs].index_copy_(0, places, Chosen(x));
        if (held.TryGetValue(Targets, out var targets)) targets.index_copy_(0, places, Chosen(target));

        Tensor Chosen(Tensor rows) => rows.index_select(0, coming.to(rows.device)).cpu();
    }

    /// <summary>The sample, or as much of it as there is a use for.</summary>
    /// <param name="count">How many are wanted; fewer come when fewer had a weight.</param>
    /// <returns>Inputs <c>[n, d_model]</c> and what shall come out of them <c>[n, d_out]</c>, in the order in which they were drawn.</returns>
    public (Tensor X, Tensor Target) Take(long count)
    {
        using var scope = NewDisposeScope();
        var (best, at) = held[Keys].topk((int)Math.Min(count, held[Keys].shape[0]));
        at = at.masked_select(best > double.NegativeInfinity);
        var x = held[Inputs].index_select(0, at).MoveToOuterDisposeScope();
        return (x, held.TryGetValue(Targets, out var targets) ? targets.index_select(0, at).MoveToOuterDisposeScope() : x);
    }

    /// <summary>For the checkpoint; the tensors stay this object's.</summary>
    public IEnumerable<KeyValuePair<string, Tensor>> State(string prefix) => held.Select(t => KeyValuePair.Create(prefix + t.Key, t.Value));

    /// <summary>The one that gave a checkpoint's <see cref="State"/>; null where there was none. The arguments stay the caller's.</summary>
    public static InputReservoir? Restored(IReadOnlyDictionary<string, Tensor> state, string prefix) => !state.ContainsKey(prefix + Keys) ? null
        : new(((string[])[Keys, Inputs, Targets]).Where(name => state.ContainsKey(prefix + name)).ToDictionary(name => name, name => state[prefix + name].clone()));

    public void Dispose()
    {
        foreach (var t in held.Values) t.Dispose();
    }
}
