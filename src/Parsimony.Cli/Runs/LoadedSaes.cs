using Parsimony.FineTuning;
using Parsimony.Models;
using Parsimony.Native;
using Parsimony.Splicing;

namespace Parsimony.Cli.Runs;

/// <summary>The SAEs that a command puts into one model, each at its own hook point.</summary>
internal sealed class LoadedSaes : IDisposable
{
    private readonly bool ownsFirst;

    private LoadedSaes(IReadOnlyList<LoadedSae> all, bool ownsFirst) => (All, this.ownsFirst) = (all, ownsFirst);

    /// <summary>In the order they were named.</summary>
    public IReadOnlyList<LoadedSae> All { get; }

    /// <summary>The one that was named first.</summary>
    public LoadedSae First => All[0];

    public LoadedModel Model => First.Model;

    public IReadOnlyList<SplicedSae> Spliced => [.. All.Select(s => new SplicedSae(s.At, s.Sae)).OrderBy(s => s.At.Layer).ThenBy(s => s.At.Site)];

    /// <summary>SHA-256 of each, by its hook point.</summary>
    public IReadOnlyDictionary<HookPoint, string> Sha256 => All.ToDictionary(s => s.At, s => s.Sha256);

    /// <summary>Opens what a command names.</summary>
    /// <param name="paths">SAE or run folders, one or more.</param>
    /// <param name="model">The model's folder; null: the one that the first run was trained on.</param>
    /// <param name="load">How the model's weights are kept.</param>
    /// <param name="device">Where the model runs, and with it the SAEs.</param>
    /// <exception cref="UsageException">Two are at one hook point.</exception>
    public static LoadedSaes Open(IReadOnlyList<string> paths, string? model, WeightOptions? load = null, string device = TorchDevice.Cpu) =>
        With(LoadedSae.Open(paths[0], model, hook: null, device: device, load: load), ownsFirst: true, paths.Skip(1));

    /// <summary>One that is open already, which stays the caller's, and more beside it.</summary>
    public static LoadedSaes With(LoadedSae first, IEnumerable<string>? others = null) => With(first, ownsFirst: false, others ?? []);

    /// <summary>One that is open already, and those that an adapter was learned on besides, from where it says they are.</summary>
    /// <param name="first">The one.</param>
    /// <param name="adapterFolder">The adapter; null: none, and nothing besides.</param>
    /// <param name="ownsFirst">Whether it is this object's from here on, also where this fails.</param>
    public static LoadedSaes Of(LoadedSae first, string? adapterFolder, bool ownsFirst = false) =>
        With(first, ownsFirst, adapterFolder is null ? [] : Besides(first, adapterFolder));

    private static IEnumerable<string> Besides(LoadedSae first, string adapterFolder)
    {
        foreach (var hook in AdapterFolder.Metadata(adapterFolder).Hooks)
            if (hook.At != first.At) yield return Place(hook, adapterFolder);
    }

    /// <summary>All that an adapter was learned on, from where it says they are.</summary>
    public static LoadedSaes Of(string adapterFolder, string? model, WeightOptions? load, string device = TorchDevice.Cpu) =>
        Open([.. AdapterFolder.Metadata(adapterFolder).Hooks.Select(h => Place(h, adapterFolder))], model ?? ModelOfRun.OfAdapter(adapterFolder), load, device);

    /// <summary>The same in a model that is open already and stays the caller's.</summary>
    public static LoadedSaes Of(string adapterFolder, LoadedModel model)
    {
        string[] places = [.. AdapterFolder.Metadata(adapterFolder).Hooks.Select(h => Place(h, adapterFolder))];
        return With(LoadedSae.Open(places[0], model), ownsFirst: true, places.Skip(1));
    }

    /// <summary>A compiled adapter has its SAE within itself.</summary>
    private static string Place(AdapterHook hook, string adapterFolder)
    {
        string within = Path.Combine(adapterFolder, hook.SaeName);
        if (Directory.Exists(within)) return within;
        return Directory.Exists(hook.SaeName) ? hook.SaeName : throw new FileNotFoundException(
            $"the adapter '{adapterFolder}' was learned on the SAE '{hook.SaeName}', which is not there any more. Say where it is with --sae.");
    }

    private static LoadedSaes With(LoadedSae first, bool ownsFirst, IEnumerable<string> others)
    {
        var all = new List<LoadedSae> { first };
        var these = new LoadedSaes(all, ownsFirst);
        try
        {
            foreach (string path in others) all.Add(LoadedSae.Open(path, first.Model));
            if (all.GroupBy(s => s.At).FirstOrDefault(g => g.Count() > 1) is { } twice) throw new UsageException(
                $"{string.Join(" and ", twice.Select(s => $"'{s.Folder}'"))} are both at {twice.Key}; each SAE needs a hook point of its own.");
            return these;
        }
        catch
        {
            these.Dispose();
            throw;
        }
    }

    /// <summary>What dials learned on them belong to.</summary>
    /// <param name="adapter">The dials.</param>
    /// <param name="results">Figures for the model card.</param>
    public AdapterMetadata Metadata(DialAdapter adapter, IReadOnlyDictionary<string, double> results) => new()
    {
        BaseModelName = Model.Name,
        BaseModelSha256 = Model.Model.Sha256!,
        Hooks = [.. adapter.Hooks.Select(at => All.First(s => s.At == at)).Select(s => new AdapterHook(s.At, s.Sae.DSae, s.Folder, s.Sha256))],
        Mode = adapter.Options.Mode,
        Positions = adapter.Options.Positions,
        Results = results,
    };

    /// <summary>Dials from a folder, which must have been learned on these SAEs in this model.</summary>
    /// <param name="folder">The adapter folder.</param>
    /// <param name="mode">How the SAEs are put in; null: as the dials were learned.</param>
    /// <exception cref="InvalidDataException">They were learned on others, or the files are damaged.</exception>
    public DialAdapter Load(string folder, SpliceMode? mode = null)
    {
        var (dials, metadata) = AdapterFolder.Load(folder, Model.Model.Device);
        try
        {
            metadata.EnsureFits(Model.Model.Sha256, Sha256);
            return DialAdapter.Of(Model.Model, [.. Spliced.Where(s => dials.Any(d => d.At == s.At))], dials, new DialOptions { Mode = mode ?? metadata.Mode, Positions = metadata.Positions });
        }
        catch
        {
            foreach (var its in dials) its.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        foreach (var sae in ownsFirst ? All : All.Skip(1)) sae.Dispose();
    }
}
