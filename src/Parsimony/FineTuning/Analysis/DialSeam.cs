using Parsimony.Autoencoders;
using Parsimony.Models;
using Parsimony.Splicing;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Analysis;

/// <summary>
/// What dials act on: a frozen model, run once up to the first hook point, and one SAE or several in its seam. A change turns the dials of all of them, one SAE's latents after the
/// other's, but for those that are held where they are (<see cref="Only"/>).
/// </summary>
public sealed record DialSeam
{
    private const double MostOfAll = 0.7; // of the latents that taking out the changed ones is worth it for

    private readonly SplicedSae[] saes; // in the order of the pass
    private Dictionary<HookPoint, DialChange> held = [];

    /// <summary>One SAE at the hook point of the prefixes.</summary>
    /// <param name="prefixes">Gives the states there; not owned.</param>
    /// <param name="sae">The SAE; not owned.</param>
    /// <param name="mode">How it is spliced in.</param>
    public DialSeam(PrefixCache prefixes, ISparseAutoencoder sae, SpliceMode mode) : this(prefixes, [new SplicedSae(prefixes.At, sae)], mode) { }

    /// <summary>Several SAEs, each at its own hook point.</summary>
    /// <param name="prefixes">Gives the states at the first of the hook points, or before it; not owned.</param>
    /// <param name="saes">One or more; not owned.</param>
    /// <param name="mode">How they are spliced in.</param>
    /// <exception cref="ArgumentException">There is no SAE, two are at one hook point, or one is before the prefixes' end.</exception>
    public DialSeam(PrefixCache prefixes, IReadOnlyList<SplicedSae> saes, SpliceMode mode)
    {
        (Prefixes, Mode, this.saes) = (prefixes, mode, [.. saes.OrderBy(s => s.At.Layer).ThenBy(s => s.At.Site)]);
        if (saes.Count == 0) throw new ArgumentException("there is no SAE; give one or more.", nameof(saes));
        if (saes.DistinctBy(s => s.At).Count() < saes.Count) throw new ArgumentException($"the SAEs are at {string.Join(", ", saes.Select(s => s.At))}; each needs a hook point of its own.", nameof(saes));
        if ((Saes[0].At.Layer, Saes[0].At.Site).CompareTo((prefixes.At.Layer, prefixes.At.Site)) < 0)
            throw new ArgumentException($"the prefixes end at {prefixes.At}, after the SAE at {Saes[0].At}; they must end at the first of the hook points or before it.", nameof(prefixes));
    }

    /// <summary>The seam that an adapter's dials were learned in.</summary>
    /// <param name="prefixes">Gives the states at the first of its hook points, or before it; not owned.</param>
    /// <param name="adapter">The dials; only its SAEs, which it does not own either, are kept.</param>
    /// <exception cref="ArgumentException">As for several SAEs.</exception>
    public static DialSeam Of(PrefixCache prefixes, DialAdapter adapter) => new(prefixes, adapter.Saes, adapter.Options.Mode) { Positions = adapter.Positions };

    /// <summary>Gives the states at the first hook point or before it.</summary>
    public PrefixCache Prefixes { get; }

    /// <summary>How the SAEs are spliced in.</summary>
    public SpliceMode Mode { get; }

    /// <summary>At which tokens of a prompt with its response the dials act, as they did in training; a response begins with an example's first target. Default: all.</summary>
    public TokenPositions Positions { get; init; }

    /// <summary>All SAEs, in the order of the pass.</summary>
    public IReadOnlyList<SplicedSae> Saes => saes;

    /// <summary>Those whose dials a change turns, in the order of its latents.</summary>
    public IReadOnlyList<SplicedSae> Turned => [.. saes.Where(s => !held.ContainsKey(s.At))];

    /// <summary>Hook points whose dials are held away from rest.</summary>
    public IReadOnlyList<HookPoint> Beside => [.. saes.Select(s => s.At).Where(at => held.TryGetValue(at, out var dials) && dials.Changed.Count > 0)];

    /// <summary>Latents of a change: those of all SAEs that it turns.</summary>
    public int DSae => Turned.Sum(s => s.Sae.DSae);

    /// <summary>The model.</summary>
    public Transformer Model => Prefixes.Model;

    internal Device Device => saes[0].Sae.WDec.device;

    /// <summary>The same with one hook point's dials alone to turn, all others held as they are in a change.</summary>
    /// <param name="at">The hook point.</param>
    /// <param name="change">A change of this seam.</param>
    /// <exception cref="ArgumentException">There are no dials to turn there, or the change is of another number of latents.</exception>
    public DialSeam Only(HookPoint at, DialChange change)
    {
        Part(change, at);
        return this with { held = new Dictionary<HookPoint, DialChange>(held.Concat(Turned.Where(s => s.At != at).Select(s => KeyValuePair.Create(s.At, Part(change, s.At))))) };
    }

    /// <summary>A change's part at one hook point.</summary>
    /// <param name="change">A change of this seam.</param>
    /// <param name="at">The hook point.</param>
    /// <exception cref="ArgumentException">There are no dials to turn there, or the change is of another number of latents.</exception>
    public DialChange Part(DialChange change, HookPoint at)
    {
        EnsureFits(change);
        int first = 0;
        foreach (var s in Turned)
        {
            if (s.At == at) return change.Part(first, s.Sae.DSae);
            first += s.Sae.DSae;
        }
        throw new ArgumentException($"no dials are turned at {at}; there are some at {string.Join(", ", Turned.Select(s => s.At))}.", nameof(at));
    }

    /// <summary>The SAEs with these dials, and with those that are held; their tensors are in the caller's scope.</summary>
    /// <exception cref="ArgumentException">The change is of another number of latents.</exception>
    public DialTap With(DialChange change)
    {
        var tap = Acting(change);
        return rows => tap(Where(rows));
    }

    /// <summary>Another adapter instead of the dials, acting at the tokens at which they would.</summary>
    internal DialTap With(IAdapter adapter) => rows => adapter.Tap(Where(rows));

    /// <summary>The reference: all dials at rest, the held ones too, by the same arithmetic. In delta mode it is bitwise the plain model.</summary>
    public DialTap Rest()
    {
        var tap = Resting();
        return _ => tap;
    }

    /// <summary>The dials while the model writes, see <see cref="AdapterGeneration"/>.</summary>
    internal Tap? WhileGenerating(DialChange change, int longestPrompt) => AdapterGeneration.Acting(Acting(change)(null), Resting(), Positions, saes[0].At, longestPrompt);

    private Func<Tensor?, Tap?> Acting(DialChange change)
    {
        EnsureFits(change);
        return Chained([.. saes.Select(s => held.TryGetValue(s.At, out var still) ? still : Part(change, s.At))]);
    }

    private Tap? Resting() => Chained([.. saes.Select(s => DialChange.None(s.Sae.DSae))])(null);

    // In delta mode dials at rest add nothing, bit by bit.
    private Func<Tensor?, Tap?> Chained(DialChange[] each)
    {
        var taps = saes.Zip(each).Where(s => Mode is SpliceMode.Replace || s.Second.Changed.Count > 0).Select(s => Needed(s.First, s.Second)).Select(s => (s.At, s.Sae, Dials: s.Change.Tensors(Device))).ToList();
        return where => taps.Count == 0 ? null : Taps.Chain([.. taps.Select(s => Taps.Splice(s.At, s.Sae, Mode, s.Dials.Scale, s.Dials.Shift, where))]);
    }

    // Of an SAE of which few latents have changed, those alone are run.
    private (HookPoint At, ISparseAutoencoder Sae, DialChange Change) Needed(SplicedSae spliced, DialChange change)
    {
        var changed = change.Changed;
        if (Mode is SpliceMode.Delta && changed.Count > 0 && changed.Count <= spliced.Sae.DSae * MostOfAll
            && FewLatents.InScope(spliced.Sae, tensor(changed.Select(i => (long)i).ToArray(), device: Device)) is { } few) return (spliced.At, few, change.Of(changed));
        return (spliced.At, spliced.Sae, change);
    }

    /// <summary>The same with dials for each row of a batch, so that one backward pass gives the gradient of each row apart.</summary>
    /// <param name="scale">c, <c>[batch, 1, d_sae]</c>, of all latents that are turned.</param>
    /// <param name="shift">d, <c>[batch, 1, d_sae]</c>, likewise.</param>
    internal DialTap WithEach(Tensor scale, Tensor shift) => rows =>
    {
        var (taps, where) = (new List<Tap>(), Where(rows));
        int first = 0;
        foreach (var s in saes)
        {
            if (held.TryGetValue(s.At, out var still))
            {
                if (Mode is SpliceMode.Delta && still.Changed.Count == 0) continue;
                var (c, d) = still.Tensors(Device);
                taps.Add(Taps.Splice(s.At, s.Sae, Mode, c, d, where));
                continue;
            }
            taps.Add(Each(s, scale.narrow(-1, first, s.Sae.DSae), shift.narrow(-1, first, s.Sae.DSae), where));
            first += s.Sae.DSae;
        }
        return Taps.Chain([.. taps]);
    };

    private Tap Each(SplicedSae spliced, Tensor scale, Tensor shift, Tensor? where) => (here, x) =>
    {
        if (here != spliced.At) return x;
        using var scope = NewDisposeScope();
        var sae = spliced.Sae;
        var m = x.dtype == sae.WDec.dtype ? x : x.to(sae.WDec.dtype);
        var z = sae.PreActivations(m);                   // [batch, seq, d_sae]
        if (Mode is SpliceMode.Delta && SparseDelta.Takes(sae, m) && SparseDelta.IsWorthIt(z)) return Result(SparseDelta.Of(sae, m, z, scale, shift, where));
        var f = Taps.Turned(sae, z, scale, shift);
        var plain = Mode is SpliceMode.Delta || where is not null ? sae.Activate(z) : null;
        if (where is not null) f = torch.where(where.unsqueeze(-1), f, plain!);
        return Result(Mode is SpliceMode.Replace ? sae.Decode(f) : m + (f - plain!).matmul(sae.WDec));
        Tensor Result(Tensor y) => (y.dtype == x.dtype ? y : y.to(x.dtype)).MoveToOuterDisposeScope();
    };

    /// <summary>What the one SAE whose dials are turned reads in a text, below it the dials that are held: <c>[tokens, d_model]</c> of those at which dials act.</summary>
    internal Tensor Read(SftExample text)
    {
        using var scope = NewDisposeScope();
        var (spliced, where) = (Turned.Single(), Where([text]));
        var state = Prefixes.Batch([text.Tokens]);
        if (spliced.At != Prefixes.At) state = Model.RunTo(spliced.At, state, Acting(DialChange.None(DSae))(where));
        var x = state.Activation.reshape(-1, spliced.Sae.DModel).to(spliced.Sae.WDec.dtype);
        if (where is not null) x = x.index_select(0, where.reshape(-1).nonzero().squeeze(-1).to(x.device));
        return x.MoveToOuterDisposeScope();
    }
    /// <summary>The tokens of a batch at which dials act, Bool, <c>[batch, longest]</c>; null: all.</summary>
    private Tensor? Where(IReadOnlyList<SftExample> rows) => Positions is TokenPositions.All ? null
        : PositionMask.Of(Positions, [.. rows.Select(r => new RowSpan(0, r.FirstTarget, r.Tokens.Length))], rows.Max(r => r.Tokens.Length)).to(Device);

    private void EnsureFits(DialChange change)
    {
        if (change.DSae != DSae) throw new ArgumentException($"the change is of {change.DSae} latents; the dials to turn are those of {DSae}, at {string.Join(", ", Turned.Select(s => s.At))}.", nameof(change));
    }
}
