using Parsimony.FineTuning;
using Parsimony.FineTuning.Baselines;
using Parsimony.Models;
using Parsimony.Native;
using Parsimony.Reporting;
using Parsimony.Splicing;
using Parsimony.Tokens;

namespace Parsimony.Cli.Runs;

/// <summary>A model with what is put into its seam: nothing, an SAE, or an SAE with learned dials.</summary>
internal sealed class FusedModel : IDisposable
{
    private readonly LoadedModel? plain;
    private readonly LoadedSaes? saes;
    private readonly IAdapter? adapter;
    private readonly SpliceMode mode;

    private FusedModel(LoadedModel? plain, LoadedSaes? saes, IAdapter? adapter, SpliceMode mode) =>
        (this.plain, this.saes, this.adapter, this.mode) = (plain, saes, adapter, mode);

    public Transformer Model => (saes?.Model ?? plain!).Model;

    public Tokenizer Tokenizer => (saes?.Model ?? plain!).Tokenizer;

    /// <summary>What there is to say of its weights.</summary>
    public IReadOnlyList<string> Notes => (saes?.Model ?? plain!).Notes;

    /// <summary>Whether there is an adapter to put at rest.</summary>
    public bool HasAdapter => adapter is not null;

    /// <summary>Whether it is dials.</summary>
    public bool HasDials => adapter is DialAdapter;

    /// <summary>Opens the folders and checks that they belong together.</summary>
    /// <param name="model">The model folder; null for the run's, else the bundled one.</param>
    /// <param name="sae">An SAE folder, or a run folder, whose adapter then goes with it; null for the plain model.</param>
    /// <param name="adapter">Dials learned on that SAE, or on those it names itself, or a baseline, which takes no SAE; null for the run folder's own dials, if it has any.</param>
    /// <param name="mode">How the SAE is put in; null as the adapter says, else <see cref="SpliceMode.Replace"/>.</param>
    /// <param name="load">How the model's weights are kept; null: the default.</param>
    /// <param name="device">Where it runs.</param>
    /// <exception cref="UsageException">A mode without an SAE, or an SAE beside a baseline.</exception>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or belongs to another model or SAE.</exception>
    public static FusedModel Open(string? model, string? sae, string? adapter, SpliceMode? mode, WeightOptions? load = null, string device = TorchDevice.Cpu)
    {
        if (sae is null && adapter is null)
        {
            if (mode is not null) throw new UsageException("--mode says how an SAE is put in; give --sae too.");
            return new FusedModel(LoadedModel.Open(model, device, load).ToBeRunWhole(), null, null, default);
        }
        if (adapter is not null && BaselineFolder.IsOne(adapter)) return WithBaseline(model, sae, adapter, mode, load, device);
        adapter ??= RunFolder.Contains(sae!) ? RunFolder.Existing(sae!).DialsOrNull : null;
        var saes = sae is null ? LoadedSaes.Of(adapter!, model, load, device) : LoadedSaes.Of(LoadedSae.Open(sae, model, hook: null, device: device, load: load), adapter, ownsFirst: true);
        try
        {
            return new FusedModel(null, saes, adapter is null ? null : saes.Load(adapter, mode), mode ?? SpliceMode.Replace);
        }
        catch
        {
            saes.Dispose();
            throw;
        }
    }

    private static FusedModel WithBaseline(string? model, string? sae, string adapter, SpliceMode? mode, WeightOptions? load, string device)
    {
        if (sae is not null || mode is not null) throw new UsageException($"'{adapter}' is no dials: it acts in the model itself, without an SAE. Leave --sae and --mode out.");
        var plain = LoadedModel.Open(model ?? ModelOfRun.OfAdapter(adapter), device, load).ToBeRunWhole();
        try
        {
            return new FusedModel(plain, null, BaselineFolder.Load(adapter, plain.Model), default);
        }
        catch
        {
            plain.Dispose();
            throw;
        }
    }

    /// <summary>Continues prompts; see <see cref="Generation.Generate"/>.</summary>
    /// <param name="prompts">Their ids.</param>
    /// <param name="sampling">How.</param>
    /// <param name="onToken">Told each token as it comes.</param>
    /// <param name="cancellation">Stops between two tokens.</param>
    /// <param name="atRest">Whether the dials, if there are any, are at rest.</param>
    public int[][] Generate(int[][] prompts, SamplingOptions sampling, Action<int> onToken, CancellationToken cancellation, bool atRest = false)
    {
        using var noGradient = TorchSharp.torch.no_grad();
        using var scope = TorchSharp.torch.NewDisposeScope();
        var tap = adapter is not null ? (atRest ? adapter.Rest() : adapter.WhileGenerating(prompts.Max(p => p.Length)))
            : saes is null ? null : Taps.Splice(saes.First.At, saes.First.Sae, mode);
        return Generation.Generate(Model, prompts, sampling, tap, Tokenizer.EndOfTextId, (_, id) => onToken(id), cancellation: cancellation);
    }

    public void Dispose()
    {
        adapter?.Dispose();
        saes?.Dispose();
        plain?.Dispose();
    }
}
