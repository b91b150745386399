using System.Globalization;
using Parsimony.Models;
using Parsimony.Splicing;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning;

/// <summary>An attached adapter, as <see cref="AdaptedModel.Status"/> shows it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Method">What kind it is.</param>
/// <param name="Hooks">Where it acts.</param>
/// <param name="Weight">How strongly it acts now; 0: not at all.</param>
/// <param name="TrainableParameters">How many numbers it has.</param>
/// <param name="LatentsChanged">Latents whose dials are not at rest; null where it has no dials.</param>
/// <param name="IsMerged">Whether its SAEs have taken its dials up.</param>
public sealed record AdapterStatus(string Name, string Method, IReadOnlyList<HookPoint> Hooks, double Weight, long TrainableParameters, long? LatentsChanged, bool IsMerged);

/// <summary>A model with adapters by name, of which none, one or several act: what a <c>PeftModel</c> is in PEFT. Not thread-safe.</summary>
/// <param name="model">The frozen model; not owned.</param>
public sealed class AdaptedModel(Transformer model) : IDisposable
{
    private readonly Dictionary<string, IAdapter> attached = [];
    private readonly Dictionary<string, double> active = [];
    private readonly Dictionary<string, IReadOnlyList<SplicedSae>> merged = [];
    private int disabled;

    /// <summary>The model without its adapters.</summary>
    public Transformer Model => model;

    /// <summary>The names that act now, with their weights.</summary>
    public IReadOnlyDictionary<string, double> Active => active;

    /// <summary>Attaches an adapter, which is this object's from here on. The first one is active at once.</summary>
    /// <exception cref="ArgumentException">There is one of this name.</exception>
    public void Attach(string name, IAdapter adapter)
    {
        if (!attached.TryAdd(name, adapter)) throw new ArgumentException($"an adapter '{name}' is attached already. Detach it, or choose another name.", nameof(name));
        if (attached.Count == 1) active[name] = 1;
    }

    /// <summary>An attached adapter.</summary>
    /// <exception cref="ArgumentException">There is none of this name.</exception>
    public IAdapter this[string name] => attached.TryGetValue(name, out var adapter) ? adapter
        : throw new ArgumentException($"no adapter '{name}' is attached; there are: {(attached.Count == 0 ? "none" : string.Join(", ", attached.Keys))}.", nameof(name));

    /// <summary>Makes these act and no others.</summary>
    public void SetActive(params IEnumerable<string> names) => SetActive(names.ToDictionary(n => n, _ => 1.0));

    /// <summary>
    /// Makes these act together and no others. Dials of several adapters on the same SAE are added on their way from rest: <c>c = 1 + sum w (c - 1)</c>,
    /// <c>d = sum w d</c>.
    /// </summary>
    /// <param name="weights">How strongly, by name; 1 is as learnt. Adapters other than dials act as learnt only.</param>
    /// <exception cref="ArgumentException">A name is unknown, an adapter cannot be weighted, or the dials are put in in different ways.</exception>
    public void SetActive(IReadOnlyDictionary<string, double> weights)
    {
        foreach (var (name, weight) in weights)
        {
            if (this[name] is not DialAdapter && weight != 1) throw new ArgumentException($"'{name}' is {this[name].Method}; only dials can be weighted, so its weight must be 1, not {weight}.", nameof(weights));
            if (merged.ContainsKey(name) && (weight != 1 || weights.Count > 1)) throw new ArgumentException($"'{name}' is merged; it acts alone and as learnt. Unmerge it first.", nameof(weights));
        }
        var dials = weights.Keys.Select(n => this[n]).OfType<DialAdapter>().ToList();
        if (dials.Select(d => (d.Options.Mode, d.Options.Positions)).Distinct().Count() > 1) throw new ArgumentException(
            "dials that act together must be put in in one mode and at the same positions; these are not.", nameof(weights));
        active.Clear();
        foreach (var (name, weight) in weights) active[name] = weight;
    }

    /// <summary>Nothing acts until what is returned is disposed of: the reference of preference learning and of KL.</summary>
    public IDisposable Disable()
    {
        disabled++;
        return new Scope(() => disabled--);
    }

    /// <summary>What to pass to the model; null: the plain model. Its tensors are in the caller's dispose scope, and it is made anew after each change.</summary>
    /// <param name="where">Bool, <c>[batch, seq]</c>: the tokens at which adapters act that do not act at all; null: all.</param>
    public Tap? Tap(Tensor? where = null)
    {
        if (disabled > 0 || active.Count == 0) return null;
        if (active.Keys.FirstOrDefault(merged.ContainsKey) is { } one) return Taps.Chain([.. merged[one].Select(s => Taps.Splice(s.At, s.Sae))]);
        var dials = active.Where(a => this[a.Key] is DialAdapter).Select(a => ((DialAdapter)this[a.Key], a.Value)).ToList();
        var others = active.Keys.Select(n => this[n]).Where(a => a is not DialAdapter).Select(a => a.Tap(where));
        return Taps.Chain([.. dials is [(var alone, 1.0)] ? [alone.Tap(where)] : Together(dials, where), .. others]);
    }

    /// <summary>Adds dials that are the weighted sum of others, on their way from rest.</summary>
    /// <param name="name">The new one's name.</param>
    /// <param name="weights">Attached dials on the same SAEs.</param>
    /// <exception cref="ArgumentException">They are not dials on the same SAEs, or the name is taken.</exception>
    public void AddWeighted(string name, IReadOnlyDictionary<string, double> weights)
    {
        var parts = weights.Select(w => (Adapter: this[w.Key] as DialAdapter, w.Value)).ToList();
        if (parts.Count == 0 || parts.Any(p => p.Adapter is null || !p.Adapter.Saes.SequenceEqual(parts[0].Adapter!.Saes))) throw new ArgumentException(
            "only dials on the same SAEs can be summed.", nameof(weights));
        var first = parts[0].Adapter!;
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Attach(name, DialAdapter.Of(model, first.Saes, [.. first.Hooks.Select((at, i) =>
        {
            var (c, d) = Sum(parts.Select(p => (p.Value, p.Adapter!.Dials[i])));
            return FeatureDials.Of(at, c, d);
        })], first.Options));
    }

    /// <summary>Folds an adapter's dials into copies of its SAEs, which then act without dials; exact in float32. Dials stay as they are.</summary>
    /// <exception cref="ArgumentException">It is not dials in replace mode at all positions: in delta mode the old SAE is needed too, see <see cref="CompiledDials"/>.</exception>
    public void Merge(string name)
    {
        if (this[name] is not DialAdapter { Options: { Mode: SpliceMode.Replace, Positions: TokenPositions.All } } dials) throw new ArgumentException(
            $"'{name}' cannot be merged: allowed are dials in replace mode that act at all positions. Dials in delta mode can be compiled instead.", nameof(name));
        if (active.TryGetValue(name, out double weight) && (active.Count > 1 || weight != 1)) throw new ArgumentException($"'{name}' acts with others or with another weight than 1; set it active alone.", nameof(name));
        if (!merged.ContainsKey(name)) merged[name] = [.. dials.Saes.Zip(dials.Dials, (s, d) => new SplicedSae(s.At, DialMerge.Into(s.Sae, d)))];
    }

    /// <summary>Takes a merge back, exactly: SAEs and dials were kept.</summary>
    public void Unmerge(string name)
    {
        if (merged.Remove(name, out var saes))
            foreach (var s in saes) s.Sae.Dispose();
    }

    /// <summary>Frees an adapter.</summary>
    public void Detach(string name)
    {
        Unmerge(name);
        this[name].Dispose();
        attached.Remove(name);
        active.Remove(name);
    }

    /// <summary>All attached adapters, in the order they came.</summary>
    public IReadOnlyList<AdapterStatus> Status() => [.. attached.Select(a => new AdapterStatus(a.Key, a.Value.Method, a.Value.Hooks, disabled > 0 ? 0 : active.GetValueOrDefault(a.Key),
        a.Value.TrainableParameters, (a.Value as DialAdapter)?.LatentsChanged, merged.ContainsKey(a.Key)))];

    /// <summary>How little is learnt, in PEFT's words: <c>trainable params: 32,768 || all params: 6,991,572,992 || trainable%: 0.0005</c>. All are the model's, its
    /// SAEs' and the active adapters'.</summary>
    public string TrainableParameters()
    {
        var acting = active.Keys.Select(n => this[n]).ToList();
        long trainable = acting.Sum(a => a.TrainableParameters);
        long saes = acting.OfType<DialAdapter>().SelectMany(a => a.Saes).Distinct().Sum(s => s.Sae.Weights.Values.Sum(t => t.numel()));
        return Line(trainable, ModelTensors.Of(model.Config).Sum(t => t.Elements) + saes + trainable);
    }

    internal static string Line(long trainable, long all) =>
        string.Create(CultureInfo.InvariantCulture, $"trainable params: {trainable:N0} || all params: {all:N0} || trainable%: {100.0 * trainable / all:0.0000}");

    private static List<Tap> Together(List<(DialAdapter Adapter, double Weight)> dials, Tensor? where)
    {
        var taps = new List<Tap>();
        var hooks = dials.SelectMany(d => d.Adapter.Saes.Zip(d.Adapter.Dials, (s, its) => (s, its, d.Weight, d.Adapter.Options.Mode))).GroupBy(h => h.s.At).OrderBy(g => g.Key.Layer).ThenBy(g => g.Key.Site);
        foreach (var at in hooks)
        {
            var (sae, _, _, mode) = at.First();
            if (at.Any(h => !ReferenceEquals(h.s.Sae, sae.Sae))) throw new ArgumentException($"dials on different SAEs at {at.Key} cannot act together.");
            var (c, d) = Sum(at.Select(h => (h.Weight, h.its)));
            taps.Add(Taps.Splice(at.Key, sae.Sae, mode, c, d, where));
        }
        return taps;
    }

    /// <summary>Dials added on their way from rest, <c>[d_sae]</c> each.</summary>
    private static (Tensor Scale, Tensor Shift) Sum(IEnumerable<(double Weight, FeatureDials Dials)> parts)
    {
        Tensor Of(Func<FeatureDials, Tensor> what) => parts.Select(p => p.Weight * what(p.Dials)).Aggregate((a, b) => a + b);
        return (1 + Of(d => d.Gamma), Of(d => d.Shift()));
    }

    /// <summary>Frees every adapter; the model stays.</summary>
    public void Dispose()
    {
        foreach (string name in merged.Keys.ToList()) Unmerge(name);
        foreach (var adapter in attached.Values) adapter.Dispose();
        attached.Clear();
        active.Clear();
    }

    private sealed class Scope(Action end) : IDisposable
    {
        private Action? left = end;

        public void Dispose()
        {
            left?.Invoke();
            left = null;
        }
    }
}
