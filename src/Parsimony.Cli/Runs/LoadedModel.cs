using Parsimony.Files.Hub;
using Parsimony.FineTuning;
using Parsimony.Models;
using Parsimony.Native;
using Parsimony.Text;
using Parsimony.Tokens;

namespace Parsimony.Cli.Runs;

/// <summary>A model folder opened for work: the model and its tokenizer.</summary>
internal sealed class LoadedModel : IDisposable
{
    private LoadedModel(Transformer model, Tokenizer tokenizer) => (Model, Tokenizer) = (model, tokenizer);

    private readonly List<string> notes = [];
    private LoadedAdapter? loaded;
    private AttachedAdapter? attached;

    public Transformer Model { get; }

    public Tokenizer Tokenizer { get; }

    public string Folder => Model.Folder!;

    /// <summary>The folder's own name, for people.</summary>
    public string Name => HubCache.NameOf(Folder) ?? Path.GetFileName(Path.GetFullPath(Folder).TrimEnd(Path.DirectorySeparatorChar));

    /// <summary>Opens a model folder, or the bundled one when none is named; see <see cref="ModelFolder.Open"/>.</summary>
    /// <param name="folder">The folder; null: the bundled one.</param>
    /// <param name="device">Where the model runs.</param>
    /// <param name="load">How its weights are kept; null: the default.</param>
    public static LoadedModel Open(string? folder, string device = TorchDevice.Cpu, WeightOptions? load = null)
    {
        load ??= new();
        var (model, tokenizer) = ModelFolder.Open(folder, TorchDevice.Of(device), load.Weights, load.Bytes(device));
        return new LoadedModel(model, tokenizer);
    }

    /// <summary>What there is to say: of weights that do not fit, of texts that could not be read whole; a sentence for each, most often none.</summary>
    public IReadOnlyList<string> Notes => notes;

    /// <summary>Where the adapter is that the model is tuned by; null: it is as it is.</summary>
    public string? AdapterFolder => loaded?.Folder;

    /// <summary>Bytes that it takes, SAEs included.</summary>
    public long AdapterBytes => loaded?.Bytes ?? 0;

    /// <summary>Makes an adapter a part of the model: activations, losses and texts are from here on those of the tuned model.</summary>
    /// <param name="path">An adapter folder, or a run folder, whose last one it is.</param>
    /// <param name="sha256">The SHA-256 it must have; null: any.</param>
    /// <exception cref="FileNotFoundException">There is none, or an SAE of it is not there.</exception>
    /// <exception cref="InvalidDataException">It belongs to another model, or is not the one that is wanted.</exception>
    public LoadedModel Attach(string path, string? sha256 = null)
    {
        loaded = LoadedAdapter.Open(path, this);
        if (sha256 is not null && loaded.Sha256 != sha256) throw new InvalidDataException(
            $"the adapter '{loaded.Folder}' has SHA-256 {loaded.Sha256[..12]}, and {sha256[..Math.Min(12, sha256.Length)]} is wanted. Give that adapter, or begin a run of its own for this one.");
        attached = new AttachedAdapter(Model, loaded.Release(), loaded.Sha256);
        return this;
    }

    /// <summary>Notes whether a command that runs every layer has to stream some of them.</summary>
    public LoadedModel ToBeRunWhole()
    {
        if (Model.IsStreamed && notes.Count == 0) notes.Add($"The model's weights take {Files.ByteSize.Text(new ModelSize(Model.Config, Model.Storage).Bytes)} in {Model.Storage.Name()}, more than they may have here: "
            + "layers that do not stay in memory are read from the file each time they run. A smaller --weights is faster; --weight-memory says what they may take.");
        return this;
    }

    /// <summary>Packs a text into contexts the model can take.</summary>
    /// <param name="text">As <see cref="Corpus.Open"/> takes it.</param>
    /// <param name="options">How it is read.</param>
    /// <param name="sequenceLength">Tokens of a context.</param>
    /// <param name="limit">Contexts at most; null: all.</param>
    /// <exception cref="ArgumentException">The contexts would be longer than the model was made for.</exception>
    public IReadOnlyList<int[]> Pack(string text, TextOptions options, int sequenceLength, int? limit = null) =>
        Packed(OpenText(text, options), sequenceLength, null, limit).Contexts;

    /// <summary>The same without the documents that are held out; 0: none are.</summary>
    /// <exception cref="InvalidDataException">One of the two sides is shorter than a context.</exception>
    public IReadOnlyList<int[]> PackTraining(string text, TextOptions options, int sequenceLength, double heldOutFraction, int? limit = null)
    {
        if (heldOutFraction == 0) return Pack(text, options, sequenceLength, limit);
        var corpus = OpenText(text, options);
        EnsureTakes(sequenceLength);
        ContextPacker.Pack(corpus, Tokenizer, sequenceLength, new TextSplit(heldOutFraction, TextSide.HeldOut), limit: 1); // found out before a long training, not after it
        return Packed(corpus, sequenceLength, new TextSplit(heldOutFraction, TextSide.Training), limit).Contexts;
    }

    /// <summary>The same of just the documents that are held out.</summary>
    /// <exception cref="InvalidDataException">They are shorter than a context.</exception>
    public PackedText PackHeldOut(string text, TextOptions options, int sequenceLength, double heldOutFraction, int? limit = null) =>
        Packed(OpenText(text, options), sequenceLength, new TextSplit(heldOutFraction, TextSide.HeldOut), limit);

    /// <summary>Finds a text by its path, or by the name of a data set that was pulled.</summary>
    /// <exception cref="FileNotFoundException">It is neither.</exception>
    public static Corpus OpenText(string text, TextOptions options) => Corpus.Open(HubCache.Local(text, HubKind.Dataset, HubSettings.FromEnvironment()), options);

    private PackedText Packed(Corpus text, int sequenceLength, TextSplit? split, int? limit)
    {
        EnsureTakes(sequenceLength);
        var packed = TokenCache.IsWorthIt(text) && TokenCache.OfUser() is { } cache ? cache.Pack(text, Tokenizer, sequenceLength, split, limit)
            : ContextPacker.Pack(text, Tokenizer, sequenceLength, split, limit);
        if (packed.Bad.Sentence is { } sentence) notes.Add(sentence);
        return packed;
    }

    private void EnsureTakes(int sequenceLength)
    {
        if (sequenceLength < 2 || sequenceLength > Model.Config.MaxSequenceLength) throw new ArgumentException(
            $"sequence_length is {sequenceLength}; it must be 2 to {Model.Config.MaxSequenceLength}, what this model was made for.");
    }

    /// <summary>Refuses hook points in layers the model does not have.</summary>
    public void EnsureHas(IEnumerable<HookPoint> hooks)
    {
        foreach (var at in hooks)
            if (at.Layer >= Model.Config.NLayers)
                throw new ArgumentException($"{at} names layer {at.Layer}; '{Folder}' has layers 0 to {Model.Config.NLayers - 1}.");
    }

    public void Dispose()
    {
        attached?.Dispose();
        loaded?.Dispose();
        Model.Dispose();
    }
}
