using System.Diagnostics;
using Parsimony.Activations;
using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Cli.Runs;

/// <summary>The activations of a model that is not on this machine, for a plan: random numbers of the true widths. How long the true ones would take is measured on
/// one layer of random weights, the only one that is made.</summary>
/// <param name="config">The model's shape.</param>
/// <param name="hooks">Where it would be read.</param>
/// <param name="contexts">How many contexts there would be.</param>
/// <param name="sequenceLength">Tokens of each.</param>
/// <param name="device">Where the model would run.</param>
internal sealed class AbsentModel(IModelConfig config, IReadOnlyList<HookPoint> hooks, int contexts, int sequenceLength, Device device) : IContextActivations
{
    /// <summary>For so many tokens.</summary>
    /// <exception cref="ArgumentException">The model has no such layer, or contexts of that length are too long for it.</exception>
    public static AbsentModel Of(IModelConfig config, IReadOnlyList<HookPoint> hooks, long tokens, int sequenceLength, Device device)
    {
        foreach (var at in hooks)
            if (at.Layer >= config.NLayers) throw new ArgumentException($"{at} names layer {at.Layer}; the model has layers 0 to {config.NLayers - 1}.");
        if (sequenceLength < 2 || sequenceLength > config.MaxSequenceLength) throw new ArgumentException(
            $"sequence_length is {sequenceLength}; it must be 2 to {config.MaxSequenceLength}, what this model was made for.");
        return new AbsentModel(config, hooks, (int)Math.Min(int.MaxValue, (tokens + sequenceLength - 1) / sequenceLength), sequenceLength, device);
    }

    private const int EmbeddingRows = 1024, MeasuredTokens = 1024; // products of a thousand rows are as fast a token as larger ones
    private const double SecondsAtLeast = 0.5; // a small model's layer takes milliseconds, in which others disturb

    public IReadOnlyList<HookPoint> Hooks => hooks;

    public int Contexts => contexts;

    public int SequenceLength => sequenceLength;

    public int Width(HookPoint at) => config.Width(at.Site);

    public void Read(ReadOnlySpan<long> contexts, IReadOnlyDictionary<HookPoint, Tensor> rows, CancellationToken cancellation)
    {
        using var _ = no_grad();
        foreach (var at in hooks)
        {
            using var first = rows[at].narrow(0, 0, (long)contexts.Length * sequenceLength);
            first.normal_();
        }
    }

    /// <summary>Seconds a token takes up to the deepest hook point: the layers before its own times one layer's, and the part of its own layer that is run.</summary>
    /// <param name="batchContexts">Contexts in one forward pass.</param>
    /// <param name="cancellation">Stops between two passes.</param>
    public double SecondsPerToken(int batchContexts, CancellationToken cancellation)
    {
        int deepest = hooks.Max(at => at.Layer);
        var shape = OneLayer();
        using var model = new Transformer(shape, new RandomWeights(shape), device);
        int count = Math.Clamp(MeasuredTokens / sequenceLength, 1, batchContexts);
        // All different, as far as there are rows: what the first layer saves on repeated tokens, later ones do not.
        List<int[]> tokens = [.. Enumerable.Range(0, count).Select(c => Enumerable.Range(0, sequenceLength).Select(t => (c * sequenceLength + t) % shape.DVocab).ToArray())];
        double last = Seconds([.. hooks.Where(at => at.Layer == deepest).Select(at => at with { Layer = 0 })]);
        double whole = deepest == 0 ? 0 : Seconds([new(0, HookSite.ResidPost)]);
        return (deepest * whole + last) / (count * sequenceLength);

        double Seconds(IReadOnlyList<HookPoint> at)
        {
            using var scope = NewDisposeScope();
            var harvester = new Harvester(model, at, tokens, batchContexts);
            var rows = at.ToDictionary(h => h, h => empty((long)count * sequenceLength, harvester.Width(h)));
            long[] numbers = [.. Enumerable.Range(0, count).Select(c => (long)c)];
            harvester.Read(numbers, rows, cancellation); // makes the weights, too
            var clock = Stopwatch.StartNew();
            int reads = 0;
            for (; reads == 0 || clock.Elapsed.TotalSeconds < SecondsAtLeast; reads++) harvester.Read(numbers, rows, cancellation);
            return clock.Elapsed.TotalSeconds / reads;
        }
    }

    private IModelConfig OneLayer()
    {
        int rows = Math.Min(EmbeddingRows, config.DVocab);
        return config switch
        {
            GptNeoXConfig c => c with { NLayers = 1, DVocab = rows },
            Gpt2Config c => c with { NLayers = 1, DVocab = rows },
            LlamaConfig c => c with { NLayers = 1, DVocab = rows },
            _ => throw new ArgumentException($"a layer of a {config.ModelType} cannot be made without its weights; fetch the model."),
        };
    }
}
