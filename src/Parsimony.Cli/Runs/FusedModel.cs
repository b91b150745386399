using Parsimony.FineTuning;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tokens;

namespace Parsimony.Cli.Runs;

/// <summary>A model with what is put into its seam: nothing, an SAE, or an SAE with learned dials.</summary>
internal sealed class FusedModel : IDisposable
{
    private readonly LoadedModel? plain;
    private readonly LoadedSae? sae;
    private readonly FeatureDials? dials;

    private FusedModel(LoadedModel? plain, LoadedSae? sae, FeatureDials? dials, Tap? tap) => (this.plain, this.sae, this.dials, Tap) = (plain, sae, dials, tap);

    public Transformer Model => (sae?.Model ?? plain!).Model;

    public Tokenizer Tokenizer => (sae?.Model ?? plain!).Tokenizer;

    /// <summary>What there is to say of its weights.</summary>
    public IReadOnlyList<string> Notes => (sae?.Model ?? plain!).Notes;

    /// <summary>What to pass to the model; null for the plain model.</summary>
    public Tap? Tap { get; }

    /// <summary>Opens the folders and checks that they belong together.</summary>
    /// <param name="model">The model folder; null for the run's, else the bundled one.</param>
    /// <param name="sae">An SAE folder, or a run folder, whose adapter then goes with it; null for the plain model.</param>
    /// <param name="adapter">Dials learned on that SAE; null for the run folder's own, if it has any.</param>
    /// <param name="mode">How the SAE is put in; null as the adapter says, else <see cref="SpliceMode.Replace"/>.</param>
    /// <param name="load">How the model's weights are kept; null: the default.</param>
    /// <exception cref="UsageException">An adapter without its SAE, or a mode without an SAE.</exception>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or belongs to another model or SAE.</exception>
    public static FusedModel Open(string? model, string? sae, string? adapter, SpliceMode? mode, WeightOptions? load = null)
    {
        if (sae is null && adapter is not null) throw new UsageException("--adapter needs --sae, the SAE whose dials it holds.");
        if (sae is null && mode is not null) throw new UsageException("--mode says how an SAE is put in; give --sae too.");
        if (sae is null) return new FusedModel(LoadedModel.Open(model, load: load).ToBeRunWhole(), null, null, null);

        var loaded = LoadedSae.Open(sae, model, hook: null, load: load);
        try
        {
            adapter ??= RunFolder.Contains(sae) ? RunFolder.Existing(sae).AdapterOrNull : null;
            if (adapter is null) return new FusedModel(null, loaded, null, Taps.Splice(loaded.At, loaded.Sae, mode ?? SpliceMode.Replace));
            var (dials, learned) = AdapterFolder.Load(adapter, loaded.Model.Model.Sha256, loaded.Sha256);
            return new FusedModel(null, loaded, dials, dials.Splice(loaded.Sae, mode ?? learned.Mode));
        }
        catch
        {
            loaded.Dispose();
            throw;
        }
    }

    /// <summary>Continues prompts; see <see cref="Generation.Generate"/>.</summary>
    public int[][] Generate(int[][] prompts, SamplingOptions sampling, Action<int> onToken, CancellationToken cancellation) =>
        Generation.Generate(Model, prompts, sampling, Tap, Tokenizer.EndOfTextId, (_, id) => onToken(id), cancellation: cancellation);

    public void Dispose()
    {
        dials?.Dispose();
        sae?.Dispose();
        plain?.Dispose();
    }
}
