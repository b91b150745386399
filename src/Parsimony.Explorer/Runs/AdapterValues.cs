using Parsimony.FineTuning;
using Parsimony.FineTuning.Analysis;
using Parsimony.Models;

namespace Parsimony.Explorer.Runs;

/// <summary>c and d of a run's adapter on the SAE that is explored, read from its files: the model is not needed for them.</summary>
/// <param name="Name">finetune, dpo, rlhf, or the name it was saved under.</param>
/// <param name="Folder">Where it is.</param>
/// <param name="At">The hook point.</param>
/// <param name="Metadata">What it belongs to.</param>
/// <param name="Scale">c, <c>[d_sae]</c>.</param>
/// <param name="Shift">d, <c>[d_sae]</c>.</param>
internal sealed record AdapterValues(string Name, string Folder, HookPoint At, AdapterMetadata Metadata, float[] Scale, float[] Shift)
{
    /// <summary>Latents whose dials are not at rest, ascending.</summary>
    public IEnumerable<int> Changed => Enumerable.Range(0, Scale.Length).Where(i => Scale[i] != 1 || Shift[i] != 0);

    /// <summary>Whether an analysis is of these dials: a report says of which hook point it is, not of which adapter.</summary>
    public bool IsOf(DialAnalysis analysis)
    {
        static bool Near(float mine, double its) => Math.Abs(mine - its) <= 1e-5 * Math.Max(1, Math.Abs(its));
        return analysis.Hook == At.ToString() && analysis.DSae == Scale.Length && analysis.Changed == Changed.Count() && analysis.Features.All(f => Near(Scale[f.Latent], f.Scale) && Near(Shift[f.Latent], f.Shift));
    }

    /// <summary>The run's adapter that was learned last; one that was saved by hand where nothing was learned; null where there is none.</summary>
    public static string? Default(RunView run)
    {
        var all = run.Files.Adapters();
        string[] learned = ["finetune", "dpo", "rlhf"];
        return all.Where(a => learned.Contains(a.Name)).OrderBy(a => File.GetLastWriteTimeUtc(Path.Combine(a.Folder, "adapter_config.json"))).Select(a => a.Name).LastOrDefault() ?? all.Select(a => a.Name).FirstOrDefault();
    }

    /// <summary>Reads one.</summary>
    /// <param name="run">The run.</param>
    /// <param name="name">Its name.</param>
    /// <exception cref="FileNotFoundException">The run has none of this name, or a file of it is missing.</exception>
    /// <exception cref="InvalidDataException">It is damaged, or has no dials on this run's SAE.</exception>
    public static AdapterValues Read(RunView run, string name)
    {
        var all = run.Files.Adapters();
        string folder = all.FirstOrDefault(a => a.Name == name).Folder ?? throw new FileNotFoundException(
            $"this run has no adapter '{name}'; it has: {(all.Count == 0 ? "none" : string.Join(", ", all.Select(a => a.Name)))}.");
        var (dials, metadata) = AdapterFolder.Load(folder);
        try
        {
            var hook = metadata.Hooks.FirstOrDefault(h => h.SaeSha256.Equals(run.SaeSha256, StringComparison.OrdinalIgnoreCase)) ?? throw new InvalidDataException(
                $"the adapter '{name}' has no dials on this run's SAE; it has some on {string.Join(", ", metadata.Hooks.Select(h => h.At))}.");
            using var noGradient = TorchSharp.torch.no_grad();
            using var scope = TorchSharp.torch.NewDisposeScope();
            var its = dials.First(d => d.At == hook.At);
            return new AdapterValues(name, folder, hook.At, metadata, its.Scale().cpu().data<float>().ToArray(), its.Shift().cpu().data<float>().ToArray());
        }
        finally
        {
            foreach (var d in dials) d.Dispose();
        }
    }
}
