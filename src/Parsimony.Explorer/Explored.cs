using Parsimony.Exploration.Index;
using Parsimony.Exploration.Labels;
using Parsimony.Explorer.Model;
using Parsimony.Explorer.Runs;
using Parsimony.Reporting;
using Parsimony.Tokens;

namespace Parsimony.Explorer;

/// <summary>The run that the pages show: its files, its index, and its model behind a queue. One for the whole server; thread-safe.</summary>
public sealed class Explored : IDisposable
{
    private readonly ExplorerSource source;
    private readonly Lock gate = new();
    private readonly Lazy<Tokenizer?> tokenizer;
    private FeatureIndex? index;
    private string? indexFault;
    private LabelStore? labels;
    private Labeller? labeller;
    private Task<Workbench>? bench;

    /// <summary>Nothing is opened before it is asked for.</summary>
    public Explored(ExplorerSource source, ExplorerOptions options)
    {
        (this.source, Options) = (source, options);
        tokenizer = new(() => source.OpenTokenizer?.Invoke());
        Catalog = new RunCatalog(source.RunFolder);
    }

    /// <summary>What the explorer may do.</summary>
    public ExplorerOptions Options { get; }

    /// <summary>The runs that are listed.</summary>
    public RunCatalog Catalog { get; }

    /// <summary>The run that is explored.</summary>
    public RunView Run => Catalog.Explored;

    /// <summary>The model's thread.</summary>
    public ModelQueue Queue { get; } = new();

    /// <summary>The run's tokenizer; null before it has a model.</summary>
    public Tokenizer? Tokenizer => tokenizer.Value;

    /// <summary>The run's feature index; null where there is none that fits, and then <see cref="IndexFault"/> says why.</summary>
    public FeatureIndex? Index
    {
        get
        {
            lock (gate)
            {
                if (index is not null) return index;
                try
                {
                    index = FeatureIndex.Open(Run.Files.Index);
                    index.EnsureBelongsTo(null, Run.SaeSha256, Tokenizer?.Sha256);
                    indexFault = null;
                }
                catch (Exception e) when (e is IOException or InvalidDataException)
                {
                    index?.Dispose();
                    (index, indexFault) = (null, e.Message);
                }
                return index;
            }
        }
    }

    /// <summary>Why there is no index; null where there is one.</summary>
    public string? IndexFault => Index is null ? indexFault : null;

    /// <summary>The index, which must be there.</summary>
    /// <exception cref="InvalidOperationException">It is not; the message says what to do.</exception>
    public FeatureIndex IndexOrFault() => Index ?? throw new InvalidOperationException(indexFault ?? "the run has no index.");

    /// <summary>A latent that must be there.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is not.</exception>
    public int Existing(int latent) => IndexOrFault() is { DSae: var n } && (uint)latent < (uint)n ? latent
        : throw new ArgumentOutOfRangeException(nameof(latent), $"there is no latent {latent}; this SAE has latents 0 to {Index!.DSae - 1}.");

    /// <summary>Finds labels; kept, for its first use runs the model over some text. Call on the model's thread.</summary>
    public Labeller LabellerFor(Workbench opened) => labeller ??= new Labeller(IndexOrFault(), opened.Model, opened.Sae, opened.Tokenizer);

    /// <summary>The labels of the run's latents; null where none was given yet, or the run has no index.</summary>
    /// <exception cref="InvalidDataException">labels.db belongs to another SAE.</exception>
    public LabelStore? Labels
    {
        get
        {
            lock (gate) return labels ??= Index is { Header.SaeSha256: { } sae } read ? LabelStore.OpenExisting(Run.Files.Folder, sae, read.DSae) : null;
        }
    }

    /// <summary>The same, begun where there are none yet.</summary>
    /// <exception cref="InvalidOperationException">Nothing may be saved, or the run has no index.</exception>
    public LabelStore LabelsToWrite()
    {
        if (Options.ReadOnly) throw new InvalidOperationException("this explorer was started with --read-only: it saves no labels.");
        lock (gate) return labels ??= Index is { Header.SaeSha256: { } sae } read ? LabelStore.Open(Run.Files.Folder, sae, read.DSae)
            : throw new InvalidOperationException(indexFault ?? "the run's index does not say which SAE it is of; make it anew with 'parsimony index'.");
    }

    /// <summary>What a latent is called; null: it has no label.</summary>
    public string? LabelOf(int latent) => LabelsOf([latent])[0];

    /// <summary>What some latents are called, in their order; null where one has no label.</summary>
    public IReadOnlyList<string?> LabelsOf(IReadOnlyCollection<int> latents)
    {
        try
        {
            return Labels is { } store && latents.Count > 0 ? [.. store.Get(latents).Select(l => l.Best)] : new string?[latents.Count];
        }
        catch (Exception e) when (e is IOException or InvalidDataException)
        {
            return new string?[latents.Count]; // the labels page says why
        }
    }

    /// <summary>The latents with a text in their labels or notes, upper and lower case alike.</summary>
    /// <exception cref="InvalidDataException">labels.db belongs to another SAE.</exception>
    public IReadOnlySet<int> LabelsWith(string text) => Labels is { } store ? store.Find(text, store.DSae).Select(hit => hit.Latent).ToHashSet() : new HashSet<int>();

    /// <summary>Whether the run has an SAE, so that its model can be worked with.</summary>
    public bool HasModel => source.OpenWorkbench is not null;

    /// <summary>Whether the model is in memory.</summary>
    public bool IsLoaded => bench is { IsCompletedSuccessfully: true };

    /// <summary>The model with its SAE, opened when first asked for.</summary>
    /// <exception cref="InvalidOperationException">The run has no SAE yet.</exception>
    public Task<Workbench> Bench()
    {
        lock (gate)
        {
            if (source.OpenWorkbench is not { } open) throw new InvalidOperationException($"'{Run.Name}' has no SAE yet. Train one with 'parsimony train', then start the explorer anew.");
            if (bench is { IsFaulted: true }) bench = null; // the next one tries again
            return bench ??= Queue.Run("opening the model", open);
        }
    }

    /// <summary>Does one thing with the model, when its turn has come.</summary>
    /// <param name="client">Whose turn it takes.</param>
    /// <param name="work">Run on the model's thread.</param>
    /// <param name="cancellation">Takes it out of the queue.</param>
    public async Task<T> Ask<T>(string client, Func<Workbench, T> work, CancellationToken cancellation = default)
    {
        var opened = await Bench().WaitAsync(cancellation);
        return await Queue.Run(client, () =>
        {
            using var scope = TorchSharp.torch.NewDisposeScope();
            return work(opened);
        }, cancellation);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Queue.Dispose();
        if (IsLoaded) bench!.Result.Dispose();
        labels?.Dispose();
        index?.Dispose();
    }
}
