using Parsimony.FineTuning;
using Parsimony.FineTuning.Baselines;
using Parsimony.Reporting;

namespace Parsimony.Cli.Runs;

/// <summary>An adapter from its folder, opened for a model and checked against it, with the SAEs that its dials are on.</summary>
internal sealed class LoadedAdapter : IDisposable
{
    private readonly LoadedSaes? saes;
    private IAdapter? adapter;

    private LoadedAdapter(string folder, LoadedSaes? saes, IAdapter adapter) => (Folder, this.saes, this.adapter, Sha256) = (folder, saes, adapter, AdapterFolder.Sha256(folder));

    public string Folder { get; }

    /// <summary>SHA-256 of what it does.</summary>
    public string Sha256 { get; }

    /// <summary>Bytes of its numbers and its SAEs'.</summary>
    public long Bytes => sizeof(float) * ((adapter?.TrainableParameters ?? 0) + (saes?.All.Sum(s => s.Sae.Weights.Values.Sum(t => t.numel())) ?? 0));

    /// <summary>Opens one for a model, which stays the caller's.</summary>
    /// <param name="path">An adapter folder, or a run folder, whose last one it is.</param>
    /// <param name="model">The model.</param>
    /// <exception cref="FileNotFoundException">There is none, or an SAE of it is not there.</exception>
    /// <exception cref="InvalidDataException">It belongs to another model.</exception>
    public static LoadedAdapter Open(string path, LoadedModel model)
    {
        string folder = Place(path);
        if (!AdapterFolder.HoldsDials(folder)) return new LoadedAdapter(folder, null, BaselineFolder.Load(folder, model.Model));
        var saes = LoadedSaes.Of(folder, model);
        try
        {
            return new LoadedAdapter(folder, saes, saes.Load(folder));
        }
        catch
        {
            saes.Dispose();
            throw;
        }
    }

    /// <summary>The SHA-256 of what is named so, as of <see cref="Open"/>.</summary>
    public static string Sha256Of(string path) => AdapterFolder.Sha256(Place(path));

    private static string Place(string path) => AdapterFolder.IsOne(path) ? path : RunFolder.ContainsConfig(path) && RunFolder.Existing(path).LastAdapterOrNull is { } last ? last
        : throw new FileNotFoundException($"'{path}' is neither an adapter folder nor a run folder in which one was learned. Learn one with 'parsimony finetune', 'dpo' or 'rlhf'.");

    /// <summary>The adapter, which is the caller's from here on; the SAEs stay this object's.</summary>
    public IAdapter Release()
    {
        var released = adapter ?? throw new InvalidOperationException("The adapter was handed over already.");
        adapter = null;
        return released;
    }

    public void Dispose()
    {
        adapter?.Dispose();
        saes?.Dispose();
    }
}
