using Parsimony.Files;
using Parsimony.Models;
using Parsimony.Splicing;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning;

/// <summary>The article's adapter: one SAE or several, each at its hook point, and on each of their latents a scale c and a shift d. In delta mode several
/// SAEs lose nothing, for what each does not reconstruct is kept.</summary>
public sealed class DialAdapter : IAdapter
{
    private readonly List<(SplicedSae Spliced, FeatureDials Dials)> hooks = [];
    private readonly Dictionary<string, Tensor> parameters = [];
    private readonly List<Tensor?> resting = []; // [d_sae] of each hook, of latents whose dials may not move
    private Dictionary<string, string>? identity;

    /// <summary>Dials at rest.</summary>
    /// <param name="model">The model; not kept.</param>
    /// <param name="saes">One or more, each at its own hook point; not owned.</param>
    /// <param name="options">How they are put in.</param>
    /// <exception cref="ArgumentException">The options have faults, an SAE does not fit its hook point, or two are at one.</exception>
    public DialAdapter(Transformer model, IReadOnlyList<SplicedSae> saes, DialOptions options)
        : this(model, saes, options, at => new FeatureDials(at.At, at.Sae.DSae, at.Sae.WDec.device)) { }

    private DialAdapter(Transformer model, IReadOnlyList<SplicedSae> saes, DialOptions options, Func<SplicedSae, FeatureDials> dials)
    {
        Options = options.Validated();
        if (saes.Count == 0) throw new ArgumentException("there is no SAE; give one or more.", nameof(saes));
        foreach (var spliced in saes) SpliceFit.Ensure(model, spliced.At, spliced.Sae);
        if (saes.GroupBy(s => s.At).FirstOrDefault(g => g.Count() > 1) is { } twice) throw new ArgumentException(
            $"{twice.Count()} SAEs are at {twice.Key}; each needs a hook point of its own.", nameof(saes));
        foreach (var spliced in saes.OrderBy(s => s.At.Layer).ThenBy(s => s.At.Site))
        {
            var its = dials(spliced);
            if (its.DSae != spliced.Sae.DSae || its.At != spliced.At) throw new ArgumentException($"the dials are for {its.DSae} latents at {its.At}; the SAE has {spliced.Sae.DSae} at {spliced.At}.");
            hooks.Add((spliced, its));
            parameters.Add($"{spliced.At}.gamma", its.Gamma);
            parameters.Add($"{spliced.At}.shift", its.Delta);
            using (NewDisposeScope())
                resting.Add(LatentMask.MayMove(spliced.Sae, options.AllowLatents, options.FreezeLatents)?.logical_not().DetachFromDisposeScope());
        }
    }

    /// <summary>Dials that were learnt before.</summary>
    /// <param name="model">The model; not kept.</param>
    /// <param name="saes">The SAE of each.</param>
    /// <param name="dials">One for each SAE; owned by the adapter from here on.</param>
    /// <param name="options">How they are put in.</param>
    /// <exception cref="ArgumentException">As for new ones, or the dials are not those of the SAEs.</exception>
    public static DialAdapter Of(Transformer model, IReadOnlyList<SplicedSae> saes, IReadOnlyList<FeatureDials> dials, DialOptions options) =>
        new(model, saes, options, spliced => dials.FirstOrDefault(d => d.At == spliced.At)
            ?? throw new ArgumentException($"there are no dials for {spliced.At}; there are some for {string.Join(", ", dials.Select(d => d.At))}.", nameof(dials)));

    /// <inheritdoc/>
    public string Method => "dials";

    /// <summary>How they are put in.</summary>
    public DialOptions Options { get; }

    /// <summary>The SAEs in the order of the pass.</summary>
    public IReadOnlyList<SplicedSae> Saes => [.. hooks.Select(h => h.Spliced)];

    /// <summary>The dials of each.</summary>
    public IReadOnlyList<FeatureDials> Dials => [.. hooks.Select(h => h.Dials)];

    /// <inheritdoc/>
    public IReadOnlyList<HookPoint> Hooks => [.. hooks.Select(h => h.Spliced.At)];

    /// <summary>gamma = c - 1 and the shift of each hook point, <c>[d_sae]</c> each.</summary>
    public IReadOnlyDictionary<string, Tensor> Parameters => parameters;

    /// <inheritdoc/>
    public TokenPositions Positions => Options.Positions;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Identity => identity ??= new() // hashes every SAE: only trainers ask
    {
        ["dials"] = Json.WriteLine(Options),
        ["sae"] = string.Join(' ', hooks.Select(h => $"{h.Spliced.At} {RunIdentity.Sha256(h.Spliced.Sae)}")),
    };

    /// <summary>Two for every latent that may move.</summary>
    public long TrainableParameters
    {
        get
        {
            using var scope = NewDisposeScope();
            return hooks.Zip(resting).Sum(h => 2 * (h.First.Dials.DSae - (h.Second?.sum().item<long>() ?? 0)));
        }
    }

    /// <summary>Latents whose dials are not exactly at rest.</summary>
    public long LatentsChanged => hooks.Sum(h => GroupLasso.Changed(h.Dials.Gamma, h.Dials.Delta));

    /// <inheritdoc/>
    public Tap Tap(Tensor? where = null) => Taps.Chain([.. hooks.Select(h => h.Dials.Splice(h.Spliced.Sae, Options.Mode, where))]);

    /// <summary>Dials at rest: the plain model in delta mode, the fused one in replace mode, by the arithmetic of dials. Its tensors are in the caller's scope.</summary>
    public Tap? Rest() => Options.Mode is SpliceMode.Delta ? null : Taps.Chain([.. hooks.Select(h =>
        Taps.Splice(h.Spliced.At, h.Spliced.Sae, Options.Mode, ones_like(h.Dials.Gamma).detach(), zeros_like(h.Dials.Delta).detach()))]);

    /// <summary>Counts on how many tokens each latent fires and how loud it is there, where an option asks for it.</summary>
    public void Prepare(Transformer model, IEnumerable<HookState> states)
    {
        if (Options.MinFirings == 0 && Options.ShiftUnit is ShiftUnit.One) return;
        using var noGradient = no_grad();
        using var outer = NewDisposeScope();
        var firings = hooks.Select(h => zeros(h.Dials.DSae, ScalarType.Int64, h.Dials.Gamma.device)).ToArray();
        var sums = hooks.Select(h => zeros(h.Dials.DSae, ScalarType.Float64, h.Dials.Gamma.device)).ToArray();
        foreach (var first in states)
        {
            using var scope = NewDisposeScope();
            using var begun = first;
            var state = first;
            for (int i = 0; i < hooks.Count; i++)
            {
                if (i > 0) state = model.RunTo(hooks[i].Spliced.At, state);
                var f = hooks[i].Spliced.Sae.Encode(state.Activation.reshape(-1, state.Activation.size(-1)));
                firings[i].add_(f.gt(0).sum([0L]));
                sums[i].add_(f.sum([0L], type: ScalarType.Float64));
            }
        }
        for (int i = 0; i < hooks.Count; i++)
        {
            if (Options.MinFirings > 0)
            {
                var rare = LatentMask.Evidence(firings[i], Options.MinFirings).logical_not();
                (resting[i], var before) = ((resting[i] is { } known ? known | rare : rare).DetachFromDisposeScope(), resting[i]);
                before?.Dispose();
            }
            if (Options.ShiftUnit is ShiftUnit.Activation)
                hooks[i].Dials.CountShiftIn((sums[i] / firings[i]).to(ScalarType.Float32).masked_fill(firings[i].eq(0), 1));
        }
    }

    /// <summary>gamma's decay draws c toward 0 where that is asked for; everything else is drawn to rest.</summary>
    public double DecayToward(string parameter) => Options.DecayOnScale && parameter.EndsWith(".gamma", StringComparison.Ordinal) ? -1 : 0;

    /// <inheritdoc/>
    public void Restrain(IReadOnlyList<Tensor> gradients)
    {
        for (int i = 0; i < hooks.Count; i++)
            if (resting[i] is { } still) foreach (var g in (Tensor[])[gradients[2 * i], gradients[2 * i + 1]]) g.masked_fill_(still, 0);
    }

    /// <summary>The latents that rest, the group lasso, the least scale.</summary>
    public void Settle(double learningRate)
    {
        using var noGradient = no_grad();
        Restrain([.. parameters.Values]);                                                        // decay of c moves gamma by itself
        foreach (var (_, dials) in hooks)
        {
            GroupLasso.Shrink(dials.Gamma, dials.Delta, learningRate * Options.GroupLasso);
            if (Options.MinScale is { } least) dials.Gamma.clamp_min_(least - 1);
        }
    }

    /// <summary>Frees the dials; the SAEs stay.</summary>
    public void Dispose()
    {
        foreach (var (_, dials) in hooks) dials.Dispose();
        foreach (var still in resting) still?.Dispose();
    }
}
