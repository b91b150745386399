using Parsimony.Autoencoders;
using Parsimony.FineTuning;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tokens;

namespace Parsimony.Cli;

/// <summary>A model with what is put into its seam: nothing, an SAE, or an SAE with learned dials.</summary>
internal sealed class FusedModel : IDisposable
{
    private readonly FeatureDials? dials;

    private FusedModel(GptNeoX model, Tokenizer tokenizer, SparseAutoencoder? sae, FeatureDials? dials, Tap? tap) =>
        (Model, Tokenizer, Sae, this.dials, Tap) = (model, tokenizer, sae, dials, tap);

    /// <summary>The model.</summary>
    public GptNeoX Model { get; }

    /// <summary>Its tokenizer.</summary>
    public Tokenizer Tokenizer { get; }

    /// <summary>The autoencoder; null for the plain model.</summary>
    public SparseAutoencoder? Sae { get; }

    /// <summary>What to pass to the model; null for the plain model.</summary>
    public Tap? Tap { get; }

    /// <summary>Opens the folders and checks that they belong together.</summary>
    /// <param name="modelFolder">The model; null for the bundled one.</param>
    /// <param name="saeFolder">The SAE; null for the plain model.</param>
    /// <param name="adapterFolder">Dials learned on that SAE; null for none.</param>
    /// <param name="mode">How the SAE is put in; null as the adapter says, else <see cref="SpliceMode.Replace"/>.</param>
    /// <exception cref="UsageException">An adapter without its SAE, or a mode without an SAE.</exception>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or belongs to another model or SAE.</exception>
    public static FusedModel Open(string? modelFolder, string? saeFolder, string? adapterFolder, SpliceMode? mode)
    {
        if (saeFolder is null && adapterFolder is not null) throw new UsageException("--adapter needs --sae, the SAE whose dials it holds.");
        if (saeFolder is null && mode is not null) throw new UsageException("--mode says how an SAE is put in; give --sae too.");
        var (model, tokenizer) = ModelFolder.Open(modelFolder);
        SparseAutoencoder? sae = null;
        FeatureDials? dials = null;
        try
        {
            if (saeFolder is null) return new FusedModel(model, tokenizer, null, null, null);
            (sae, var trained) = SaeFolder.Load(saeFolder);
            trained.EnsureFits(sae, model.Config, null, model.Sha256, tokenizer.Sha256);
            if (adapterFolder is null)
                return new FusedModel(model, tokenizer, sae, null, Taps.Splice(trained.Hook, sae, mode ?? SpliceMode.Replace));
            (dials, var learned) = AdapterFolder.Load(adapterFolder, model.Sha256, SaeFolder.Sha256(saeFolder));
            return new FusedModel(model, tokenizer, sae, dials, dials.Splice(sae, mode ?? learned.Mode));
        }
        catch
        {
            dials?.Dispose();
            sae?.Dispose();
            model.Dispose();
            throw;
        }
    }

    /// <summary>Continues prompts; see <see cref="Generation.Generate"/>.</summary>
    public int[][] Generate(int[][] prompts, SamplingOptions sampling, Action<int> onToken, CancellationToken cancellation) =>
        Generation.Generate(Model, prompts, sampling, Tap, Tokenizer.EndOfTextId, (_, id) => onToken(id), cancellation);

    /// <inheritdoc/>
    public void Dispose()
    {
        dials?.Dispose();
        Sae?.Dispose();
        Model.Dispose();
    }
}
