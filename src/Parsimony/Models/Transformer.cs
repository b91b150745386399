using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Parsimony.Models;

/// <summary>
/// A language model of any supported family with one seam, the <see cref="Tap"/>. It can run whole, <em>up to</em> a hook point and
/// <em>from</em> one; a layer's weights are read when the layer is first run. Gradients flow unless the caller says
/// <c>no_grad</c>. Not thread-safe.
/// </summary>
public sealed class Transformer : IDisposable
{
    private readonly IWeightSource weights;
    private readonly ModelParts parts;
    private readonly LayerWalk walk;

    /// <summary>A model over the given weights, under Hugging Face's names. The model owns the source and the tensors it reads.</summary>
    /// <param name="config">Its shape.</param>
    /// <param name="weights">Where weights are read from.</param>
    /// <param name="device">Where weights go and the model runs; null: the processor.</param>
    /// <param name="storage">How its matrices are kept in memory; null: as they are quantised in the source, else float32.</param>
    /// <param name="weightBytes">What its weights may take in memory, in bytes; layers beyond it are streamed from the source each time they run. Null: no limit.</param>
    /// <exception cref="InvalidDataException">The source is quantised in another storage.</exception>
    public Transformer(IModelConfig config, IWeightSource weights, Device? device = null, WeightStorage? storage = null, long? weightBytes = null)
    {
        ArgumentNullException.ThrowIfNull(config);
        if (weights.QuantisedAs is { } quantised && storage is { } wanted && wanted != quantised) throw new InvalidDataException(
            $"these weights are quantised as {quantised.Name()}; they cannot be had as {wanted.Name()}. Leave the storage out, or use the original weights.");
        (Config, this.weights, Device, Storage) = (config, weights, device ?? CPU, storage ?? weights.QuantisedAs ?? WeightStorage.Fp32);
        parts = new ModelParts(config, weights, Device, Storage, weightBytes ?? long.MaxValue);
        walk = new LayerWalk(config, parts);
    }

    /// <summary>The model's shape.</summary>
    public IModelConfig Config { get; }

    /// <summary>Where it runs. Token ids may be anywhere; what it gives is here.</summary>
    public Device Device { get; }

    /// <summary>How its matrices are kept in memory; embeddings take two bytes a number where that is not float32, norms and biases stay float32.</summary>
    public WeightStorage Storage { get; }

    /// <summary>Bytes of the weights read so far, as they are kept.</summary>
    public long BytesHeld => parts.BytesHeld;

    /// <summary>Whether its weights do not all stay in memory, so that each use of a layer may read it anew.</summary>
    public bool IsStreamed => parts.IsStreamed;

    /// <summary>The folder it came from; null when it was made in memory.</summary>
    public string? Folder { get; private init; }

    /// <summary>SHA-256 of the weight files ; null when the model was made in memory.</summary>
    public string? Sha256 => weights.Sha256;

    /// <summary>SHA-256 of the attached adapter; null: none is attached.</summary>
    public string? AttachedSha256 { get; private set; }

    /// <summary>Makes a tap a part of the model, in front of every caller's: an activation is from here on what it returned, whoever reads it, wherever a pass halts.</summary>
    /// <param name="tap">The tap; what it uses must live as long as the model.</param>
    /// <param name="at">Where it acts; it is called nowhere else.</param>
    /// <param name="reads">Those of them at which it keeps what it needs at a later one of the layer: no pass can be halted there.</param>
    /// <param name="sha256">What it is: the SHA-256 of the adapter.</param>
    /// <exception cref="InvalidOperationException">One is attached already.</exception>
    public void Attach(Tap tap, IEnumerable<HookPoint> at, IEnumerable<HookPoint> reads, string sha256)
    {
        if (AttachedSha256 is not null) throw new InvalidOperationException($"an adapter is attached to the model already, SHA-256 {AttachedSha256}. Open the model anew for another.");
        (walk.Attached, AttachedSha256) = ((tap, at.ToHashSet(), reads.ToHashSet()), sha256);
    }

    /// <summary>Opens a model folder in Hugging Face's layout, or one with a checkpoint of llama2.c. Reads the config and the weight files' headers, no weights yet.</summary>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged or of another architecture.</exception>
    /// <param name="folder">The folder.</param>
    /// <param name="device">Where weights go and the model runs; null: the processor.</param>
    /// <param name="storage">How its matrices are kept in memory; null: as they are quantised in the folder, else float32.</param>
    /// <param name="weightBytes">What its weights may take in memory, in bytes; null: no limit.</param>
    public static Transformer Load(string folder, Device? device = null, WeightStorage? storage = null, long? weightBytes = null) =>
        new(ModelConfig.Load(folder), ModelWeights.Open(folder), device, storage, weightBytes) { Folder = folder };

    /// <summary>Width of the activation at a site.</summary>
    public int Width(HookSite site) => Config.Width(site);

    /// <summary>The whole model.</summary>
    /// <param name="tokens">Token ids, <c>[batch, seq]</c>, int64.</param>
    /// <param name="tap">Called at every hook point in order; null reads nothing.</param>
    /// <param name="attentionMask"><c>[batch, cached + seq]</c>, non-zero where there is a token; null when there is no padding.
    /// Padding on the right needs no mask: no token looks ahead.</param>
    /// <param name="cache">Keys and values of earlier tokens, extended by this call; null for none.</param>
    /// <param name="lastOnly">Whether only the last token's logits are made: those of a whole batch of prompts are the largest tensor of a pass.</param>
    /// <returns>Logits of the next token, <c>[batch, seq, d_vocab]</c>; of the last alone, <c>[batch, 1, d_vocab]</c>.</returns>
    /// <exception cref="ArgumentException">The tokens have the wrong shape or ids outside the vocabulary, or do not fit the model.</exception>
    public Tensor Forward(Tensor tokens, Tap? tap = null, Tensor? attentionMask = null, KvCache? cache = null, bool lastOnly = false)
    {
        CheckTokens(tokens);
        using var scope = NewDisposeScope();
        int length = (int)tokens.size(1), past = cache?.Length ?? 0;
        var positions = attentionMask is null
            ? new Positions(Config, past, length, Device) { Distinct = DistinctTokens.Of(tokens, Config, Device) }
            : new Positions(Config, attentionMask.to(Device), past, length);
        var x = parts.Embedding.Apply(tokens, positions);
        for (int layer = 0; layer < Config.NLayers; layer++)
        {
            using var before = x;
            x = walk.Layer(layer, before, positions, tap, cache);
            parts.Done(layer);
        }
        cache?.Advance(length);
        return Unembed(lastOnly ? x.narrow(1, length - 1, 1).contiguous() : x).MoveToOuterDisposeScope();
    }

    /// <summary>Runs up to a hook point and halts before its tap. Later layers are neither run nor read.</summary>
    /// <param name="at">Where to halt.</param>
    /// <param name="tokens">Token ids, <c>[batch, seq]</c>, int64, without padding on the left.</param>
    /// <param name="tap">Called at the hook points passed on the way.</param>
    public HookState RunTo(HookPoint at, Tensor tokens, Tap? tap = null) => PassTo(walk.MayHalt(at), tokens, tap);

    private HookState PassTo(HookPoint at, Tensor tokens, Tap? tap = null)
    {
        CheckTokens(tokens);
        CheckHook(at);
        using var scope = NewDisposeScope();
        var positions = new Positions(Config, 0, (int)tokens.size(1), Device) { Distinct = DistinctTokens.Of(tokens, Config, Device) };
        return walk.To(at, walk.Entering(0, parts.Embedding.Apply(tokens, positions), positions), positions, tap).MoveOut();
    }

    /// <summary>Goes on from where <see cref="RunTo(HookPoint, Tensor, Tap?)"/> halted, beginning with the tap there, up to a later hook point: bit by bit what a pass from the start
    /// comes to.</summary>
    /// <param name="at">Where to halt.</param>
    /// <param name="halted">An earlier halt; stays the caller's.</param>
    /// <param name="tap">Called at the hook points passed on the way.</param>
    /// <exception cref="ArgumentException"><paramref name="at"/> is no later hook point of this model.</exception>
    public HookState RunTo(HookPoint at, HookState halted, Tap? tap = null)
    {
        CheckHook(at);
        if ((at.Layer, at.Site).CompareTo((halted.At.Layer, halted.At.Site)) <= 0) throw new ArgumentException($"{at} does not come after {halted.At}, where the pass stands.");
        using var scope = NewDisposeScope();
        var own = halted with { Activation = halted.Activation.alias(), Residual = halted.Residual?.alias(), Gated = halted.Gated?.alias() };
        return walk.To(walk.MayHalt(at), own, new Positions(Config, 0, (int)halted.Activation.size(1), Device), tap).MoveOut();
    }

    /// <summary>Goes on from where <see cref="RunTo(HookPoint, Tensor, Tap?)"/> halted, beginning with the tap at that point.</summary>
    /// <returns>Logits, <c>[batch, seq, d_vocab]</c>.</returns>
    public Tensor RunFrom(HookState state, Tap? tap = null)
    {
        using var residual = ResidualFrom(state, tap);
        return Unembed(residual);
    }

    /// <summary>As <see cref="RunFrom"/>, but ends before <see cref="Unembed"/>, for callers that need logits of few tokens at a time.</summary>
    /// <param name="state">Where the pass halted.</param>
    /// <param name="tap">Called at the hook points from there on; null reads nothing.</param>
    /// <param name="tapped">The only layers in which the tap does anything. The others are run without it, and where a gradient is wanted nothing but what enters them is kept: the backward
    /// pass runs them again. Null: the tap may act anywhere, and everything is kept.</param>
    /// <returns>The residual stream that leaves the last layer, <c>[batch, seq, d_model]</c>.</returns>
    public Tensor ResidualFrom(HookState state, Tap? tap = null, IReadOnlySet<int>? tapped = null)
    {
        using var scope = NewDisposeScope();
        int length = (int)state.Activation.size(1);
        var positions = new Positions(Config, 0, length, Device);
        var x = walk.FinishLayer(state, positions, tap, null);
        parts.Done(state.At.Layer);
        for (int layer = state.At.Layer + 1; layer < Config.NLayers; layer++)
        {
            using var before = x; // a backward pass that needs it holds on to it itself
            int here = layer;
            if (tapped is null || tapped.Contains(layer))
            {
                x = walk.Layer(layer, before, positions, tap);
                parts.Done(layer);
            }
            else x = Recompute.Of(entering => walk.Layer(here, entering, new Positions(Config, 0, length, Device), null), before, () => parts.Done(here));
        }
        return x.MoveToOuterDisposeScope();
    }

    /// <summary>The same for several taps, layer by layer, so that a layer that is streamed or dequantised is so once for all of them.</summary>
    /// <param name="state">Where the pass halted.</param>
    /// <param name="taps">One for each pass; null reads nothing.</param>
    /// <returns>In the order of the taps.</returns>
    public IReadOnlyList<Tensor> ResidualsFrom(HookState state, IReadOnlyList<Tap?> taps)
    {
        using var scope = NewDisposeScope();
        var positions = new Positions(Config, 0, (int)state.Activation.size(1), Device);
        var passes = taps.Select(tap => walk.FinishLayer(state, positions, tap, null)).ToList();
        for (int layer = state.At.Layer + 1; layer < Config.NLayers; layer++)
        {
            parts.Done(layer - 1);
            for (int i = 0; i < passes.Count; i++)
            {
                using var before = passes[i];
                passes[i] = walk.Layer(layer, before, positions, taps[i]);
            }
        }
        parts.Done(Config.NLayers - 1);
        return [.. passes.Select(x => x.MoveToOuterDisposeScope())];
    }

    /// <summary>The activation at a hook point, <c>[batch, seq, width]</c>. Runs and reads nothing it does not need.</summary>
    public Tensor Activations(HookPoint at, Tensor tokens) => Activations([at], tokens)[0];

    /// <summary>The activations at several hook points from one pass, which ends at the deepest of them.</summary>
    /// <param name="hooks">At least one, each once.</param>
    /// <param name="tokens">Token ids, <c>[batch, seq]</c>, int64.</param>
    /// <returns>In the order of <paramref name="hooks"/>, <c>[batch, seq, width]</c> each.</returns>
    public IReadOnlyList<Tensor> Activations(IReadOnlyList<HookPoint> hooks, Tensor tokens)
    {
        using var scope = NewDisposeScope();
        var found = new Dictionary<HookPoint, Tensor>();
        Tensor Read(HookPoint at, Tensor x)
        {
            if (hooks.Contains(at)) scope.Attach(found[at] = x.alias().DetachFromDisposeScope());
            return x;
        }
        var deepest = hooks.MaxBy(at => (at.Layer, at.Site));
        var entry = deepest with { Site = HookSite.ResidPre };

        // With the parallel residual the MLP reads the layer's input: this layer's attention is not needed.
        bool skipsAttention = Config.ParallelResidual && deepest.Site is >= HookSite.MlpIn and <= HookSite.MlpOut
            && !hooks.Any(at => at.Layer == deepest.Layer && at.Site is >= HookSite.AttnIn and <= HookSite.AttnOut);
        var halt = skipsAttention ? entry : deepest;
        bool looks = hooks.Any(at => (at.Layer, at.Site).CompareTo((halt.Layer, halt.Site)) < 0);
        var x = Read(halt, PassTo(halt, tokens, looks ? Read : null).Activation);
        if (skipsAttention)
        {
            var layer = parts.Layer(deepest.Layer);
            Tensor? gated = null;
            Tensor Seen(HookSite site, Tensor y) => Read(entry with { Site = site }, walk.Own(entry.Layer, site, y));
            x = Seen(HookSite.MlpIn, layer.MlpIn(x));
            if (deepest.Site >= HookSite.MlpPre && layer.MlpPre(x) is var (pre, branch)) (x, gated) = (Seen(HookSite.MlpPre, pre), branch);
            if (deepest.Site >= HookSite.MlpPost) x = Seen(HookSite.MlpPost, layer.MlpPost(x, gated));
            if (deepest.Site == HookSite.MlpOut) Seen(HookSite.MlpOut, layer.MlpOut(x));
            parts.Done(deepest.Layer);
        }
        return [.. hooks.Select(at => found[at].MoveToOuterDisposeScope())];
    }

    /// <summary>Attention probabilities of one layer, <c>[batch, heads, query, key]</c>; those of its own weights, whatever is attached inside the layer.</summary>
    public Tensor AttentionPattern(int layer, Tensor tokens)
    {
        using var scope = NewDisposeScope();
        var entry = PassTo(new HookPoint(layer, HookSite.ResidPre), tokens).Activation;
        return parts.Layer(layer).AttentionPattern(entry, new Positions(Config, 0, (int)tokens.size(1), Device)).MoveToOuterDisposeScope();
    }

    /// <summary>The final norm, <c>[.., d_model]</c> to <c>[.., d_model]</c>.</summary>
    public Tensor FinalNorm(Tensor residual) => parts.FinalNorm.Apply(residual);

    /// <summary>Final norm and unembedding: residual stream <c>[.., d_model]</c> to logits <c>[.., d_vocab]</c>.</summary>
    public Tensor Unembed(Tensor residual)
    {
        using var normed = FinalNorm(residual);
        return parts.Unembedding.Apply(normed);
    }

    /// <summary>
    /// What a direction in the residual stream does to the logits if nothing in between changed it: centred where the final norm
    /// is a layer norm, times its gain, times the unembedding (direct logit attribution, without the token-dependent norm).
    /// </summary>
    /// <param name="directions"><c>[n, d_model]</c>.</param>
    /// <returns><c>[n, d_vocab]</c>.</returns>
    public Tensor DirectLogits(Tensor directions)
    {
        using var normed = parts.FinalNorm.Directions(directions);
        return parts.Unembedding.Direction(normed);
    }

    /// <summary>The same for directions at a hook point: those in front of an output projection go through its weights first.</summary>
    /// <param name="at">Where the directions live.</param>
    /// <param name="directions"><c>[n, width]</c>.</param>
    /// <returns><c>[n, d_vocab]</c>; null at <c>attn_in</c>, <c>attn_qkv</c>, <c>mlp_in</c> and <c>mlp_pre</c>, where a nonlinearity stands between.</returns>
    public Tensor? DirectLogits(HookPoint at, Tensor directions)
    {
        CheckHook(at);
        if (at.Site is HookSite.AttnIn or HookSite.AttnQkv or HookSite.MlpIn or HookSite.MlpPre) return null;
        if (at.Site is not (HookSite.AttnZ or HookSite.MlpPost)) return DirectLogits(directions);
        var layer = parts.Layer(at.Layer);
        using var outgoing = (at.Site == HookSite.AttnZ ? layer.AttentionOutput : layer.Down).Direction(directions);
        return DirectLogits(outgoing);
    }

    private void CheckTokens(Tensor tokens)
    {
        if (tokens.dim() != 2 || tokens.dtype != ScalarType.Int64 || tokens.numel() == 0) throw new ArgumentException(
            $"tokens have shape [{string.Join(", ", tokens.shape)}] and type {tokens.dtype}; expected [batch, seq] of Int64, not empty.");
        using var highest = tokens.max();
        using var lowest = tokens.min();
        if (lowest.item<long>() < 0 || highest.item<long>() >= Config.DVocab) throw new ArgumentException(
            $"token id {(lowest.item<long>() < 0 ? lowest : highest).item<long>()} is outside the model's vocabulary of {Config.DVocab}. Use the tokenizer of this model.");
    }

    private void CheckHook(HookPoint at)
    {
        if (at.Layer < 0 || at.Layer >= Config.NLayers) throw new ArgumentException(
            $"{at} names layer {at.Layer}; this model has layers 0 to {Config.NLayers - 1}.");
    }

    /// <inheritdoc/>
    public void Dispose() => parts.Dispose();
}
