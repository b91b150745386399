using System.Collections.Concurrent;
using Parsimony.Exploration;
using Parsimony.Exploration.Index;
using Parsimony.Explorer.Features;
using Parsimony.Explorer.Runs;
using Parsimony.FineTuning.Analysis;
using Parsimony.Reporting;

namespace Parsimony.Explorer.Comparing;

/// <summary>By what the features of a comparison are ranked.</summary>
public enum RankedBy
{
    /// <summary>The effect an analysis measured.</summary>
    Measured,

    /// <summary>The change of the activation that the index predicts.</summary>
    Predicted,

    /// <summary>How far the dials are from rest, which says nothing of an effect: there is neither analysis nor index.</summary>
    Dials,
}

/// <summary>Base against fine-tuned: what an adapter changed.</summary>
public sealed record Comparison
{
    private static readonly ConcurrentDictionary<(string, bool), (string Stamp, Comparison Known)> Made = new();

    /// <summary>Name of the adapter.</summary>
    public required string Adapter { get; init; }

    /// <summary>All adapters of the run.</summary>
    public required IReadOnlyList<string> Adapters { get; init; }

    /// <summary>The hook point.</summary>
    public required string Hook { get; init; }

    /// <summary>replace or delta.</summary>
    public required string Mode { get; init; }

    /// <summary>Number of latents.</summary>
    public required int DSae { get; init; }

    /// <summary>Latents whose dials are not exactly at rest.</summary>
    public required int Changed { get; init; }

    /// <summary>By what the features are ranked.</summary>
    public required RankedBy RankedBy { get; init; }

    /// <summary>The features, those of the largest effect first: all that changed, or those an analysis lists.</summary>
    public required IReadOnlyList<ComparedFeature> Features { get; init; }

    /// <summary>How unevenly the effect lies on the latents.</summary>
    public required LorenzCurve Lorenz { get; init; }

    /// <summary>The analysis of this adapter; null where there is none.</summary>
    public DialAnalysis? Analysis { get; init; }

    /// <summary>What a run's adapter changed; null where the run has none.</summary>
    /// <param name="explored">The run.</param>
    /// <param name="adapter">Name of the adapter; null: the one learned last.</param>
    /// <param name="predicted">Whether to rank all features by prediction although they were measured.</param>
    /// <exception cref="FileNotFoundException">There is no adapter of this name.</exception>
    /// <exception cref="InvalidDataException">It is damaged or of another SAE.</exception>
    public static Comparison? Of(Explored explored, string? adapter, bool predicted = false)
    {
        var run = explored.Run;
        adapter = string.IsNullOrEmpty(adapter) ? AdapterValues.Default(run) : adapter;
        if (adapter is null) return null;
        string folder = run.Files.Adapters().FirstOrDefault(a => a.Name == adapter).Folder ?? "";
        string stamp = string.Join(' ', new[] { Path.Combine(folder, "adapter_model.safetensors"), Path.Combine(run.Files.Folder, "report.json"), Path.Combine(run.Files.Index, "features.bin") }
            .Select(file => File.GetLastWriteTimeUtc(file).Ticks));
        string key = $"{run.Files.Folder} {adapter}";
        if (Made.TryGetValue((key, predicted), out var before) && before.Stamp == stamp) return before.Known;
        var made = Make(explored, AdapterValues.Read(run, adapter), predicted);
        Made[(key, predicted)] = (stamp, made);
        return made;
    }

    /// <summary>The text of a token, seen.</summary>
    public static string? TopToken(Explored explored, int latent) => explored.Index is { } index && index.PeakToken[latent] is var id and >= 0 && explored.Tokenizer is { } tokenizer
        ? ShadedText.Decode(tokenizer.Bytes(id)) : null;

    private static Comparison Make(Explored explored, AdapterValues dials, bool predicted)
    {
        var index = explored.Index;
        var analysis = explored.Run.Report?.Analysis is { } a && dials.IsOf(a) ? a : null;
        int[] changed = [.. dials.Changed];
        var by = analysis is not null && !predicted ? RankedBy.Measured : index is not null && index.DSae == dials.Scale.Length ? RankedBy.Predicted : RankedBy.Dials;
        var features = by is RankedBy.Measured ? Measured(explored, analysis!) : Estimated(explored, dials, changed, by is RankedBy.Predicted ? index : null);
        return new Comparison
        {
            Adapter = dials.Name,
            Adapters = [.. explored.Run.Files.Adapters().Select(x => x.Name)],
            Hook = dials.At.ToString(),
            Mode = dials.Metadata.Mode.ToString().ToLowerInvariant(),
            DSae = dials.Scale.Length,
            Changed = changed.Length,
            RankedBy = by,
            Features = features,
            Lorenz = by is RankedBy.Measured ? analysis!.Lorenz : LorenzCurve.Of(Spread(features, dials.Scale.Length)),
            Analysis = analysis,
        };
    }

    private static IReadOnlyList<ComparedFeature> Measured(Explored explored, DialAnalysis a)
    {
        var singles = a.LeaveOneOut.Features.ToDictionary(f => f.Latent);
        return [.. a.Features.Select(f => new ComparedFeature(f.Latent, f.Scale, f.Shift, f.Effect, f.EffectShare, f.ThresholdShift, f.DensityBefore, f.DensityAfter,
            [.. f.Words.Select(Words.Brief)], TopToken(explored, f.Latent))
        {
            T = f.T,
            Q = f.Q,
            BeyondNull = f.BeyondNull,
            IsSignificant = f.Significant,
            LeftOut = singles.GetValueOrDefault(f.Latent)?.LeftOut.Total,
            KeptIn = singles.GetValueOrDefault(f.Latent)?.KeptIn.Total,
        })];
    }

    private static IReadOnlyList<ComparedFeature> Estimated(Explored explored, AdapterValues dials, int[] changed, FeatureIndex? index)
    {
        var predicted = changed.Select(i => index is null ? null : DialPrediction.Of(index.Histogram(i), dials.Scale[i], dials.Shift[i])).ToArray();
        var effects = changed.Zip(predicted, (i, p) => p?.Moved ?? Math.Abs(dials.Scale[i] - 1) + Math.Abs(dials.Shift[i])).ToArray();
        double sum = effects.Sum();
        return [.. changed.Select((i, n) =>
        {
            double c = dials.Scale[i], d = dials.Shift[i];
            return new ComparedFeature(i, c, d, effects[n], sum == 0 ? 0 : effects[n] / sum, c == 0 ? double.NaN : d == 0 ? 0 : -d / c, index?.Histogram(i).Density(1, 0).Value, predicted[n]?.Density,
                [.. predicted[n]?.Words.Select(Words.Brief) ?? []], TopToken(explored, i));
        }).OrderByDescending(f => f.Effect).ThenBy(f => f.Latent)];
    }

    private static double[] Spread(IReadOnlyList<ComparedFeature> features, int dSae)
    {
        var all = new double[dSae];
        foreach (var f in features) all[f.Latent] = f.Effect;
        return all;
    }
}
