using System.Text.RegularExpressions;
using Parsimony.Explorer.Model;
using Parsimony.FineTuning;
using Parsimony.Splicing;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Explorer.Steering;

/// <summary>Edits saved as an adapter, which the command line loads like one that was learned: steering by hand and fine-tuning are the same object.</summary>
internal static partial class SteeredAdapter
{
    /// <summary>c and d of every latent with clamps among them: a latent held at x has <c>c = 0, d = x</c>.</summary>
    /// <param name="bench">The SAE.</param>
    /// <param name="edits">The edits.</param>
    /// <exception cref="ArgumentException">A clamp cannot be said with c and d.</exception>
    public static (float[] Scale, float[] Shift) Dials(Workbench bench, FeatureEdits edits)
    {
        var (scale, shift) = bench.Dials(edits);
        foreach (var (latent, edit) in edits.ByHand)
            if (edit.Clamp is { } value) (scale[latent], shift[latent]) = (0, (float)value);
        var held = edits.ByHand.Where(e => e.Value.Clamp is not null).ToList();
        if (held.Count == 0) return (scale, shift);
        using var scope = NewDisposeScope();
        float[] f = bench.Sae.Activate(tensor(shift).unsqueeze(0)).cpu().data<float>().ToArray();
        foreach (var (latent, edit) in held)
            if (f[latent] != (float)edit.Clamp!) throw new ArgumentException($"latent {latent} held at {edit.Clamp} cannot be saved: this SAE makes {f[latent]} of a pre-activation of that size "
                + "(no latent is below 0 or below its threshold, and TopK chooses among all). Use a scale and a shift.");
        return (scale, shift);
    }

    /// <summary>Saves edits under a name: <c>RUN/steer/NAME</c>, and makes them one of the adapters of the explorer.</summary>
    /// <param name="bench">Model and SAE; call on the model's thread.</param>
    /// <param name="explored">The run.</param>
    /// <param name="edits">The edits.</param>
    /// <param name="name">Lower-case letters, digits, - and _, at most 40.</param>
    /// <returns>The folder.</returns>
    /// <exception cref="ArgumentException">The name is of another form or taken, nothing is edited, or an edit cannot be said with c and d.</exception>
    /// <exception cref="InvalidOperationException">Nothing may be saved, or the run is not the SAE's own.</exception>
    public static string Save(Workbench bench, Explored explored, FeatureEdits edits, string name)
    {
        if (explored.Options.ReadOnly) throw new InvalidOperationException("this explorer was started with --read-only: it saves no adapters.");
        if (!Name().IsMatch(name)) throw new ArgumentException($"'{name}' cannot be the name of an adapter: write lower-case letters, digits, - and _, 40 at most.");
        if (edits.IsNone) throw new ArgumentException("nothing is edited, so there is nothing to save.");
        if (bench.Adapters.Any(a => a.Name == name)) throw new ArgumentException($"there is an adapter '{name}' already; choose another name.");
        var run = explored.Run.Files;
        var learned = edits.Adapter is { } from ? bench.Adapter(from) : null;
        var origin = learned is null ? null : AdapterFolder.Metadata(learned.Folder);
        if ((bench.Model.Sha256, explored.Run.SaeSha256) is not ({ } model, { } sae)) throw new InvalidOperationException("only adapters of a model and an SAE from files can be saved: they are known by their hashes.");
        var (scale, shift) = Dials(bench, edits);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var saes = learned?.Dials.Saes ?? [new SplicedSae(bench.At, bench.Sae)];
        var options = (learned?.Dials.Options ?? new DialOptions()) with { MinScale = null, AllowLatents = null, FreezeLatents = null };
        var dials = DialAdapter.Of(bench.Model, saes, [.. saes.Select((s, i) => s.At == bench.At ? FeatureDials.Of(s.At, tensor(scale), tensor(shift))
            : FeatureDials.Of(s.At, 1 + edits.Weight * learned!.Dials.Dials[i].Gamma, edits.Weight * learned.Dials.Dials[i].Shift()))], options);
        string folder = Path.Combine(run.Steered, name);
        AdapterFolder.Save(folder, dials.Dials, new AdapterMetadata
        {
            BaseModelName = origin?.BaseModelName ?? explored.Run.Report?.ModelName ?? Path.GetFileName(bench.Model.Folder!),
            BaseModelSha256 = model,
            Hooks = [.. saes.Select(s => origin?.Hooks.FirstOrDefault(h => h.At == s.At) ?? new AdapterHook(s.At, s.Sae.DSae, run.Sae, sae))],
            Mode = options.Mode,
            Positions = options.Positions,
        });
        bench.Add(new NamedAdapter(name, folder, dials));
        return folder;
    }

    [GeneratedRegex("^[a-z0-9_-]{1,40}$")]
    private static partial Regex Name();
}
