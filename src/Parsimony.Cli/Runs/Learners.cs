using Parsimony.Autoencoders;
using Parsimony.FineTuning;
using Parsimony.FineTuning.Baselines;
using Parsimony.Splicing;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Cli.Runs;

/// <summary>Newborn adapters of the kind a command learns: dials on the SAEs, or a baseline of their size.</summary>
internal sealed class Learners : IDisposable
{
    private const int DensityTokens = 4096; // that a random dictionary's thresholds are set by

    private readonly LoadedSaes saes;
    private readonly DialOptions dials;
    private readonly BaselineOptions baseline;
    private readonly IReadOnlyList<SplicedSae> on;

    /// <param name="saes">The SAEs in their model; not owned.</param>
    /// <param name="dials">How dials are put in.</param>
    /// <param name="baseline">What is learned instead, if anything.</param>
    /// <param name="rows">Token sequences like those that will be learned from.</param>
    public Learners(LoadedSaes saes, DialOptions dials, BaselineOptions baseline, IEnumerable<int[]> rows)
    {
        (this.saes, this.dials, this.baseline) = (saes, dials, baseline);
        on = baseline.Method is BaselineMethod.RandomDictionary ? [.. saes.Spliced.Select(s => new SplicedSae(s.At, Random(s, rows)))] : saes.Spliced;
    }

    /// <summary>Whether dials on the SAEs themselves are learned.</summary>
    public bool AreDials => baseline.Method is BaselineMethod.Dials;

    /// <summary>Keeps what was learned as an adapter folder; a random dictionary lies within it.</summary>
    /// <param name="folder">Where to.</param>
    /// <param name="learned">One of <see cref="New"/>.</param>
    /// <param name="results">Figures for the model card.</param>
    public void Save(string folder, IAdapter learned, IReadOnlyDictionary<string, double> results)
    {
        if (learned is not DialAdapter adapter) BaselineFolder.Save(folder, learned, saes.Model.Model.Config, new BaselineMetadata(saes.Model.Name, saes.Model.Model.Sha256!, results));
        else if (AreDials) AdapterFolder.Save(folder, adapter.Dials, saes.Metadata(adapter, results));
        else AdapterFolder.Save(folder, adapter.Dials, saes.Metadata(adapter, results) with
        {
            Hooks = [.. adapter.Saes.Index().Select(s =>
            {
                string name = adapter.Saes.Count == 1 ? "sae" : $"sae-{s.Index}", place = Path.Combine(folder, name);
                SaeFolder.Save(place, s.Item.Sae, saes.All.First(all => all.At == s.Item.At).Metadata with { TrainingTokens = 0, DatasetPath = null, K = null, L1Coefficient = null, LossConvention = "none: a random dictionary" });
                return new AdapterHook(s.Item.At, s.Item.Sae.DSae, name, SaeFolder.Sha256(place));
            })],
        });
    }

    /// <summary>One at rest; the caller's.</summary>
    public IAdapter New() => baseline.Method is BaselineMethod.Dials or BaselineMethod.RandomDictionary ? new DialAdapter(saes.Model.Model, on, dials)
        : Baseline.Create(baseline with { Budget = baseline.Budget ?? (baseline.EqualParameters ? saes.Spliced.Sum(s => 2L * s.Sae.DSae) : null) }, saes.Model.Model, saes.Spliced[0].At, saes.Spliced[0].Sae, dials.Positions);

    private StandardSae Random(SplicedSae like, IEnumerable<int[]> rows)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        using var prefixes = new PrefixCache(saes.Model.Model, like.At, 0);
        var seen = new List<Tensor>();
        long tokens = 0;
        foreach (int[] row in rows)
        {
            if (tokens >= DensityTokens) break;
            seen.Add(prefixes.Batch([row]).Activation.reshape(-1, like.Sae.DModel));
            tokens += row.Length;
        }
        return RandomDictionary.Like(like.Sae, cat(seen), baseline.Seed);
    }

    public void Dispose()
    {
        if (baseline.Method is BaselineMethod.RandomDictionary) foreach (var s in on) s.Sae.Dispose();
    }
}
