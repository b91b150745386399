using Parsimony.Autoencoders;
using Parsimony.Exploration.Index;
using Parsimony.FineTuning;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tokens;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Explorer.Model;

/// <summary>A learned adapter under its name in the run: <c>finetune</c>, <c>dpo</c>, <c>rlhf</c>, or one that was saved.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Folder">Where it is.</param>
/// <param name="Dials">Its dials, one pair for each hook point.</param>
public sealed record NamedAdapter(string Name, string Folder, DialAdapter Dials);

/// <summary>The model of a run with its SAE and the dials learned on it. Owned by the model's thread: everything but the names must be called there.</summary>
/// <param name="model">The model; not owned.</param>
/// <param name="tokenizer">Its tokenizer.</param>
/// <param name="at">Where the SAE sits.</param>
/// <param name="sae">The SAE; not owned.</param>
/// <param name="adapters">Dials on it; owned.</param>
/// <param name="whole">What owns model and SAE; freed with this.</param>
public sealed class Workbench(Transformer model, Tokenizer tokenizer, HookPoint at, ISparseAutoencoder sae, IReadOnlyList<NamedAdapter> adapters, IDisposable whole) : IDisposable
{
    private readonly List<NamedAdapter> adapters = [.. adapters];
    private float[]? rowNorms;

    /// <summary>The model.</summary>
    public Transformer Model => model;

    /// <summary>Its tokenizer.</summary>
    public Tokenizer Tokenizer => tokenizer;

    /// <summary>Where the SAE sits.</summary>
    public HookPoint At => at;

    /// <summary>The SAE.</summary>
    public ISparseAutoencoder Sae => sae;

    /// <summary>What was learned.</summary>
    public IReadOnlyList<NamedAdapter> Adapters => adapters;

    /// <summary>Length of each latent's decoder row, <c>[d_sae]</c>: how far one unit of it moves the output.</summary>
    public float[] RowNorms
    {
        get
        {
            if (rowNorms is not null) return rowNorms;
            using var scope = NewDisposeScope();
            return rowNorms = sae.WDec.norm(1).to(ScalarType.Float32).cpu().data<float>().ToArray();
        }
    }

    /// <summary>Adds one that was made here.</summary>
    public void Add(NamedAdapter adapter) => adapters.Add(adapter);

    /// <summary>A learned adapter.</summary>
    /// <exception cref="ArgumentException">There is none of this name.</exception>
    public NamedAdapter Adapter(string name) => adapters.FirstOrDefault(a => a.Name == name) ?? throw new ArgumentException(
        $"this run has no adapter '{name}'; it has: {(adapters.Count == 0 ? "none" : string.Join(", ", adapters.Select(a => a.Name)))}.");

    /// <summary>c and d of every latent under some edits, clamps left out: <c>c = (1 + w (c_a - 1)) c_hand</c>, <c>d = w d_a c_hand + d_hand</c>; latents switched off have only what was done by hand, latents held at a value are at rest.</summary>
    public (float[] Scale, float[] Shift) Dials(FeatureEdits edits)
    {
        using var scope = NewDisposeScope();
        var (scale, shift) = (new float[sae.DSae], new float[sae.DSae]);
        Array.Fill(scale, 1);
        if (edits.Adapter is { } name && Adapter(name).Dials is var learned && learned.Dials.FirstOrDefault(d => d.At == at) is { } its)
        {
            float[] gamma = its.Gamma.cpu().data<float>().ToArray(), d = its.Shift().cpu().data<float>().ToArray();
            for (int i = 0; i < scale.Length; i++)
                if (!edits.Off.Contains(i)) (scale[i], shift[i]) = ((float)(1 + edits.Weight * gamma[i]), (float)(edits.Weight * d[i]));
        }
        foreach (var (i, edit) in edits.ByHand)
            (scale[i], shift[i]) = edit.Clamp is not null ? (1, 0) : ((float)(scale[i] * edit.Scale), (float)(shift[i] * edit.Scale + edit.Shift));
        return (scale, shift);
    }

    /// <summary>A model under edits; dispose of it when no pass needs it any more.</summary>
    /// <exception cref="ArgumentException">They name an adapter that is not there.</exception>
    public EditedModel Edited(FeatureEdits edits) => new(this, edits);

    /// <summary>Frees the dials, the SAE and the model.</summary>
    public void Dispose()
    {
        foreach (var adapter in adapters) adapter.Dials.Dispose();
        whole.Dispose();
    }
}

/// <summary>A tap that carries out <see cref="FeatureEdits"/>, with the tensors it needs.</summary>
public sealed class EditedModel : IDisposable
{
    private readonly DialAdapter? adapter;
    private readonly bool ownsAdapter;
    private readonly HookPoint at;
    private readonly Tap[] clamps;

    internal EditedModel(Workbench bench, FeatureEdits edits)
    {
        at = bench.At;
        var learned = edits.Adapter is { } name ? bench.Adapter(name).Dials : null;
        clamps = [.. edits.ByHand.Where(e => e.Value.Clamp is not null).Select(e => Taps.Clamp(bench.At, bench.Sae, e.Key, e.Value.Clamp!.Value))];
        if (edits is { Weight: 1, Off.Count: 0 } && (edits.ByHand.Count == 0 || (learned is null && edits.ByHand.Count == clamps.Length)))
        {
            adapter = learned; // just as learned, to the bit
            return;
        }
        var (scale, shift) = bench.Dials(edits);
        ownsAdapter = true;
        if (learned is not null || scale.Any(c => c != 1) || shift.Any(d => d != 0))
        {
            var saes = learned?.Saes ?? [new SplicedSae(bench.At, bench.Sae)];
            using var scope = NewDisposeScope();
            adapter = DialAdapter.Of(bench.Model, saes, [.. saes.Select((s, i) =>
            {
                if (s.At == bench.At) return FeatureDials.Of(s.At, tensor(scale), tensor(shift));
                var its = learned!.Dials[i];                                        // other hook points: as learned, turned up or down with the rest
                return FeatureDials.Of(s.At, (1 + edits.Weight * its.Gamma).detach(), (edits.Weight * its.Shift()).detach());
            })], learned?.Options ?? new DialOptions { Mode = SpliceMode.Delta });
        }
    }

    /// <summary>What to pass to the model for texts that are given whole; null: the plain model.</summary>
    public Tap? Tap() => Joined(adapter?.Tap());

    /// <summary>What to pass to the model for a prompt with what was written on it, given whole: the dials act where they did while it was written.</summary>
    /// <param name="promptTokens">Tokens of the prompt.</param>
    /// <param name="tokens">Tokens of both.</param>
    public Tap? Tap(int promptTokens, int tokens) => adapter is null or { Positions: TokenPositions.All } ? Tap()
        : Joined(adapter.Tap(PositionMask.Of(adapter.Positions, [new RowSpan(0, promptTokens, tokens)], tokens)));

    /// <summary>What to pass to a model that writes.</summary>
    /// <param name="longestPrompt">Tokens of the longest prompt.</param>
    public Tap? WhileGenerating(int longestPrompt) => Joined(adapter?.WhileGenerating(longestPrompt));

    // Each clamp's change is that of the model's own activation, which the dials must not have touched before it.
    private Tap? Joined(Tap? dials) => clamps.Length == 0 ? dials : (here, x) =>
    {
        var edited = dials is null ? x : dials(here, x);
        if (here != at) return edited;
        using var scope = NewDisposeScope();
        return clamps.Aggregate(edited, (sum, clamp) => sum + (clamp(here, x) - x)).MoveToOuterDisposeScope();
    };

    /// <inheritdoc/>
    public void Dispose()
    {
        if (ownsAdapter) adapter?.Dispose();
    }
}
