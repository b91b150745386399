using Parsimony.Explorer.Features;
using Parsimony.Explorer.Model;
using Parsimony.Explorer.Runs;
using Parsimony.Exploration.Index;
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

    /// <summary>What the run's latents are called.</summary>
    public ILabels Labels { get; init; } = new NoLabels();

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
        index?.Dispose();
    }
}
