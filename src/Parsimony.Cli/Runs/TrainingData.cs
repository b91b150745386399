using Parsimony.Activations;
using Parsimony.Cli.Commands;
using Parsimony.Models;
using Parsimony.Native;

namespace Parsimony.Cli.Runs;

/// <summary>What an SAE is trained on: a model and a text, or a cache that was harvested from them.</summary>
internal sealed class TrainingData : IDisposable
{
    private readonly IDisposable? owned;
    private readonly LoadedModel? model;

    private TrainingData(IContextActivations activations, LoadedModel? model, IDisposable? owned) =>
        (Activations, this.model, this.owned) = (activations, model, owned);

    /// <summary>The activations of whole contexts.</summary>
    public IContextActivations Activations { get; }

    public required string ModelName { get; init; }

    public required string? ModelSha256 { get; init; }

    /// <summary>How the model's matrices are, or were, kept.</summary>
    public required WeightStorage ModelWeights { get; init; }

    /// <summary>SHA-256 of the adapter that the model is, or was, tuned by; null: none.</summary>
    public required string? AdapterSha256 { get; init; }

    /// <summary>Where that adapter is, or was; null: there is none.</summary>
    public required string? AdapterFolder { get; init; }

    /// <summary>Bytes that it takes here.</summary>
    public long AdapterBytes => model?.AdapterBytes ?? 0;

    public required string? TokenizerSha256 { get; init; }

    /// <summary>Name of the text, for people.</summary>
    public required string? Text { get; init; }

    /// <summary>Share of the text's documents that are not in it; 0: none were held out.</summary>
    public required double HeldOutFraction { get; init; }

    /// <summary>Opens what the options name, to be read at some hook points.</summary>
    /// <exception cref="ArgumentException">The model has no such layer, or contexts of that length are too long for it, or a cache has another held-out fraction.</exception>
    /// <exception cref="InvalidDataException">A cache that is unfinished, or of another model, tokenizer or hook point.</exception>
    public static TrainingData Open(TrainOptions options, IReadOnlyList<HookPoint> hooks)
    {
        if (options.Cache is null)
        {
            var model = LoadedModel.Open(options.Model, options.Device, options.Load);
            try
            {
                if (options.Adapter is { } adapter) model.Attach(adapter, options.AdapterSha256);
                return Open(model, options, hooks, owned: model);
            }
            catch
            {
                model.Dispose();
                throw;
            }
        }
        _ = TorchDevice.Of(options.Device); // without a model nobody else asks before the run folder is begun
        double heldOut = ActivationCacheManifest.Load(options.Cache).HeldOutFraction;
        if (options.HeldOutFraction != 0 && options.HeldOutFraction != heldOut) throw new ArgumentException(
            $"held_out_fraction is {options.HeldOutFraction}, but '{options.Cache}' was harvested with {heldOut}. Leave it out, or harvest anew with another.");
        EnsureTunedBy(options);
        using var given = options.Model is null ? null : LoadedModel.Open(options.Model);
        var cache = CachedActivations.Open(options.Cache, hooks, given?.Model.Sha256, given?.Tokenizer.Sha256);
        return new TrainingData(cache, null, cache)
        {
            ModelName = cache.Manifest.ModelName,
            ModelSha256 = cache.Manifest.ModelSha256,
            ModelWeights = cache.Manifest.ModelWeights,
            AdapterSha256 = cache.Manifest.AdapterSha256,
            AdapterFolder = cache.Manifest.AdapterFolder,
            TokenizerSha256 = cache.Manifest.TokenizerSha256,
            Text = cache.Manifest.Text,
            HeldOutFraction = heldOut,
        };
    }

    /// <summary>Refuses a cache that was harvested from a model tuned otherwise than is asked for.</summary>
    private static void EnsureTunedBy(TrainOptions options)
    {
        string? wanted = options.AdapterSha256 ?? (options.Adapter is { } path ? LoadedAdapter.Sha256Of(path) : null), has = ActivationCacheManifest.Load(options.Cache!).AdapterSha256;
        if (wanted is not null && wanted != has) throw new InvalidDataException(
            $"'{options.Cache}' was harvested from {(has is null ? "the model as it is" : $"the model tuned by the adapter {has[..12]}")}; asked for is the adapter {wanted[..Math.Min(12, wanted.Length)]}. Harvest anew with 'parsimony harvest --adapter'.");
    }

    /// <summary>The same for a model that is open already and stays the caller's.</summary>
    public static TrainingData Open(LoadedModel model, TrainOptions options, IReadOnlyList<HookPoint> hooks) => Open(model, options, hooks, owned: null);

    private static TrainingData Open(LoadedModel model, TrainOptions options, IReadOnlyList<HookPoint> hooks, IDisposable? owned)
    {
        model.EnsureHas(hooks);
        var contexts = model.PackTraining(options.Text!, options.Corpus, options.SequenceLength, options.HeldOutFraction,
            (int?)Math.Min(int.MaxValue, options.MaxTokens / options.SequenceLength ?? int.MaxValue));
        return new TrainingData(new Harvester(model.Model, hooks, contexts, options.Buffer.HarvestBatchContexts), model, owned)
        {
            ModelName = model.Name,
            ModelSha256 = model.Model.Sha256,
            ModelWeights = model.Model.Storage,
            AdapterSha256 = model.Model.AttachedSha256,
            AdapterFolder = model.AdapterFolder,
            TokenizerSha256 = model.Tokenizer.Sha256,
            Text = Path.GetFileName(options.Text),
            HeldOutFraction = options.HeldOutFraction,
        };
    }

    /// <summary>The model that is run; null for a cache.</summary>
    public Transformer? Model => model?.Model;

    /// <summary>What of the text could not be read and was passed over, for people.</summary>
    public IReadOnlyList<string> Notes => model?.Notes ?? [];

    public void Dispose() => owned?.Dispose();
}
