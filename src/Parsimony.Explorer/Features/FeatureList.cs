using Parsimony.Exploration.Index;
using Parsimony.Explorer.Runs;
using Parsimony.Tokens;

namespace Parsimony.Explorer.Features;

/// <summary>A feature in the list.</summary>
/// <param name="Latent">Index of the latent.</param>
/// <param name="Label">What it is called; null: nothing yet.</param>
/// <param name="Density">Share of the tokens fired on.</param>
/// <param name="Max">Largest activation.</param>
/// <param name="Mean">Mean activation over all tokens.</param>
/// <param name="Effect">Measured effect on the next token, nats; null where it was not measured.</param>
/// <param name="TopToken">The token it fires on most; null of one that never fires.</param>
/// <param name="Promoted">The tokens whose direct logits it raises most.</param>
/// <param name="Scale">c under the chosen adapter; null without one.</param>
/// <param name="Shift">d under it.</param>
/// <param name="Moved">How far the adapter moves it, mean |f' - f|.</param>
public sealed record FeatureRow(int Latent, string? Label, double Density, double Max, double Mean, double? Effect, string? TopToken, IReadOnlyList<string> Promoted, double? Scale, double? Shift, double? Moved);

/// <summary>The features that queries list, in their order. The last queries are kept: a list that is scrolled is sorted once. Thread-safe.</summary>
/// <param name="explored">The run.</param>
public sealed class FeatureList(Explored explored)
{
    private const int Kept = 16, Promoted = 5;

    private readonly Lock gate = new();
    private readonly List<(FeatureQuery Query, FeatureIndex Index, int[] Latents)> lists = [];
    private readonly Dictionary<string, (DateTime Written, DialTable Dials)> adapters = [];

    /// <summary>The index and the tokenizer.</summary>
    /// <exception cref="InvalidDataException">The run has no index that fits; the message says why and what makes one.</exception>
    public (FeatureIndex Index, Tokenizer Tokenizer) Opened() => explored is { Index: { } index, Tokenizer: { } tokenizer } ? (index, tokenizer)
        : throw new InvalidDataException(explored.IndexFault ?? "the run has no SAE, so there is no tokenizer to read its index with.");

    /// <summary>The latents of a query.</summary>
    /// <exception cref="ArgumentException">It names a token, a latent or an adapter that is not there.</exception>
    /// <exception cref="InvalidDataException">There is no index that fits.</exception>
    public IReadOnlyList<int> Latents(FeatureQuery query)
    {
        var (index, tokenizer) = Opened();
        query = query with { Skip = 0 };
        bool isKept = !FeatureSearch.UsesLabels(query.Text);
        lock (gate)
            if (isKept && lists.FirstOrDefault(l => l.Query == query && l.Index == index).Latents is { } known) return known;
        int[] latents = Ranked(query, index, tokenizer);
        lock (gate)
        {
            if (lists.Count >= Kept) lists.RemoveAt(0);
            if (isKept) lists.Add((query, index, latents));
        }
        return latents;
    }

    /// <summary>Some features as the list shows them.</summary>
    /// <param name="latents">Indices.</param>
    /// <param name="adapter">The chosen adapter; null: none.</param>
    public IReadOnlyList<FeatureRow> Rows(IReadOnlyList<int> latents, string? adapter)
    {
        var (index, tokenizer) = Opened();
        var dials = Dials(adapter);
        var labels = explored.LabelsOf(latents);
        return [.. latents.Select((latent, at) => new FeatureRow(latent, labels[at], index.Density[latent], index.Max[latent], index.Mean[latent],
            float.IsNaN(index.Effect[latent]) ? null : index.Effect[latent], index.PeakToken[latent] is >= 0 and var peak ? tokenizer.Display(peak) : null,
            [.. index.Promoted(latent).Where(t => tokenizer.Bytes(t.Id).Length > 0).Take(Promoted).Select(t => tokenizer.Display(t.Id))],
            dials?.Scale[latent], dials?.Shift[latent], dials?.Moved[latent]))];
    }

    /// <summary>The run's adapters that have dials on this SAE, by their names.</summary>
    public IReadOnlyList<string> Adapters() => [.. explored.Run.Files.Adapters().Select(a => a.Name)];

    /// <summary>The dials of an adapter; null: none was chosen.</summary>
    /// <exception cref="ArgumentException">There is none of this name.</exception>
    /// <exception cref="InvalidDataException">It is of another SAE.</exception>
    public DialTable? Dials(string? name)
    {
        if (string.IsNullOrEmpty(name)) return null;
        var (index, _) = Opened();
        string? folder = explored.Run.Files.Adapters().FirstOrDefault(a => a.Name == name).Folder;
        if (folder is null) throw new ArgumentException($"this run has no adapter '{name}'; it has: {(Adapters() is { Count: > 0 } names ? string.Join(", ", names) : "none")}.");
        var written = Max(File.GetLastWriteTimeUtc(Path.Combine(folder, "adapter_model.safetensors")), File.GetLastWriteTimeUtc(Path.Combine(explored.Run.Files.Folder, "report.json")));
        lock (gate)
        {
            if (adapters.TryGetValue(name, out var known) && known.Written == written) return known.Dials;
            var dials = DialTable.Of(AdapterValues.Read(explored.Run, name), index, explored.Run.Report?.Analysis);
            adapters[name] = (written, dials);
            lists.RemoveAll(l => l.Query.Adapter == name);
            return dials;
        }
    }

    private int[] Ranked(FeatureQuery query, FeatureIndex index, Tokenizer tokenizer)
    {
        var dials = Dials(query.Adapter);
        var found = FeatureSearch.Find(query.Text, index, tokenizer, explored.LabelsWith);
        double least = query.MinDensity ?? double.NegativeInfinity, most = query.MaxDensity ?? double.PositiveInfinity;
        bool isAll = found is null && query is { MinDensity: null, MaxDensity: null, OnlyAlive: false, OnlyMoved: false };
        bool IsListed(int i) => index.Density[i] >= least && index.Density[i] <= most && (!query.OnlyAlive || index.Fired[i] > 0) && (!query.OnlyMoved || dials!.HasMoved(i)) && (found?.Contains(i) ?? true);
        IndexColumn? column = query.Sort switch
        {
            FeatureColumn.Density => IndexColumn.Density,
            FeatureColumn.Max => IndexColumn.Max,
            FeatureColumn.Mean => IndexColumn.Mean,
            FeatureColumn.Effect => IndexColumn.Effect,
            _ => null,
        };
        if (column is { } by) return index.Ranked(by, query.Descending, isAll ? null : IsListed);
        int[] latents = [.. Enumerable.Range(0, index.DSae).Where(i => isAll || IsListed(i))];
        return LatentOrder.Sort(latents, query.Sort == FeatureColumn.Moved ? i => dials!.Moved[i] : i => i, query.Descending);
    }

    private static DateTime Max(DateTime a, DateTime b) => a > b ? a : b;
}
