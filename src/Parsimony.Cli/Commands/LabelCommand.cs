using System.CommandLine;
using System.Diagnostics;
using Parsimony.Autoencoders.Formats;
using Parsimony.Cli.Runs;
using Parsimony.Exploration;
using Parsimony.Exploration.Index;
using Parsimony.Exploration.Labels;
using Parsimony.Exploration.Labels.Explain;
using Parsimony.Native;
using Parsimony.Reporting;

namespace Parsimony.Cli.Commands;

/// <summary><c>parsimony label</c>: what the latents of an index are about, in words, with scores; labels, notes and stars by hand.</summary>
internal static class LabelCommand
{
    /// <summary>The command's result.</summary>
    /// <param name="Store">The file.</param>
    /// <param name="Latents">Latents that were to be labelled.</param>
    /// <param name="Made">Of them, those that were labelled now.</param>
    /// <param name="Already">Those that had been before.</param>
    /// <param name="Silent">Those that never fire.</param>
    /// <param name="UnreadLabels">Latents for which the explainer's answer had no label in it; the next run asks again.</param>
    /// <param name="UnreadSheets">The explainer's answers to five windows that could not be read.</param>
    /// <param name="Methods">Mean scores of all these latents.</param>
    /// <param name="Hand">What a person says of the latents that were edited.</param>
    /// <param name="Seconds">How long it took.</param>
    internal sealed record Labelled(
        string Store, int Latents, int Made, int Already, int Silent, int UnreadLabels, int UnreadSheets, IReadOnlyList<MeanScores> Methods, IReadOnlyList<LatentLabels> Hand, double Seconds);

    public static Command Create() => CliCommand.Create<LabelOptions>(
        "label", "Says in words what latents fire on, from the run's index, and how far that can be trusted; keeps labels, notes and stars of your own: RUN/labels.db.", Run,
        [
            "parsimony label runs/demo", "parsimony label runs/demo --count 100", "parsimony label runs/demo --latents 12 123 --again",
            "parsimony label runs/demo --set \"123=mentions of dogs\" --star 123", "parsimony label runs/demo --count 50 --endpoint http://localhost:8000/v1 --endpoint-model qwen3",
        ], needsTorch: false);

    private static Labelled Run(LabelOptions options, Terminal terminal)
    {
        var clock = Stopwatch.StartNew();
        var run = RunFolder.Existing(options.Run);
        using var index = FeatureIndex.Open(run.Index);
        foreach (int latent in options.Latents.Concat(options.Star).Concat(options.Unstar).Concat(options.Set.Concat(options.Note).Select(e => LabelOptions.Edit(e).Latent)))
            if ((uint)latent >= (uint)index.DSae) throw new UsageException($"there is no latent {latent}; this SAE has latents 0 to {index.DSae - 1}.");
        string sae = Sae(run, options);
        string sha256 = SaeFiles.Sha256(RunFolder.Contains(sae) ? Path.Combine(sae, "sae") : sae);
        index.EnsureBelongsTo(null, sha256, null);
        using var store = LabelStore.Open(run.Folder, sha256, index.DSae);
        var hand = ByHand(store, options);
        foreach (var labels in hand) terminal.Say($"latent {labels.Latent}{(labels.Star ? " ★" : "")}: {labels.Hand ?? "no label"}{(labels.Note is { } note ? $" ({note})" : "")}");
        var made = options.MakesLabels ? Make(index, store, sae, options, run, terminal) : new(run.Folder, 0, 0, 0, 0, 0, 0, [], [], 0);
        return made with { Store = Path.Combine(run.Folder, LabelStore.FileName), Hand = hand, Seconds = Math.Round(clock.Elapsed.TotalSeconds, 2) };
    }

    private static List<LatentLabels> ByHand(LabelStore store, LabelOptions options)
    {
        try
        {
            foreach (var (latent, text) in options.Set.Select(LabelOptions.Edit)) store.Set(latent, label: text);
            foreach (var (latent, text) in options.Note.Select(LabelOptions.Edit)) store.Set(latent, note: text);
            foreach (int latent in options.Star) store.Set(latent, star: true);
            foreach (int latent in options.Unstar) store.Set(latent, star: false);
        }
        catch (ArgumentException e)
        {
            throw new UsageException(ErrorSentence.Of(e));
        }
        return [.. store.Get([.. options.Set.Concat(options.Note).Select(e => LabelOptions.Edit(e).Latent).Concat(options.Star).Concat(options.Unstar).Distinct()])];
    }

    private static Labelled Make(FeatureIndex index, LabelStore store, string path, LabelOptions options, RunFolder run, Terminal terminal)
    {
        int[] wanted = Wanted(index, options), latents = [.. wanted.Where(i => index.Fired[i] > 0)];
        var tried = options.Again ? [] : options.Labelling.Methods.Select(m => store.Tried(m)).Aggregate<IEnumerable<int>>((a, b) => a.Intersect(b)).ToHashSet();
        var explained = options.Again || !options.Explainer.IsNamed ? (IReadOnlySet<int>)new HashSet<int>() : store.Tried(LabelMethod.Explainer, options.Explainer.EndpointModel);
        bool IsToDo(int latent) => !tried.Contains(latent) || options.Explainer.IsNamed && !explained.Contains(latent);
        int[] todo = [.. latents.Where(IsToDo)];
        var (unreadLabels, unreadSheets) = (0, 0);
        if (todo.Length > 0)
        {
            TorchRuntime.EnsureLoaded();
            var made = run.Recall<IndexOptions>("index");
            using var sae = LoadedSae.Open(path, options.Model ?? made?.Model, made?.Hook, device: options.Device, load: options.Load);
            index.EnsureBelongsTo(sae.Model.Model.Sha256, sae.Sha256, sae.Model.Tokenizer.Sha256);
            terminal.Note(sae.Model.Notes);
            using var explainer = options.Explainer.IsNamed ? new Explainer(options.Explainer, sae.Model.Tokenizer, Environment.GetEnvironmentVariable(ExplainerOptions.KeyVariable)) : null;
            run.Remember("label", options with { Set = [], Note = [], Star = [], Unstar = [] }, isBegun: false);
            terminal.WhenInterrupted = $"Labels made so far are in {Path.Combine(run.Folder, LabelStore.FileName)}; the same command goes on{(options.Again ? ", without --again," : "")} with the others.";
            var labeller = new Labeller(index, sae.Model.Model, sae.Sae, sae.Model.Tokenizer, options.Labelling);
            using (var progress = terminal.Progress("label", latents.Length, "latents", latents.Length - todo.Length))
                for (int i = 0; i < todo.Length; i++)
                {
                    terminal.Interrupted.ThrowIfCancellationRequested();
                    if (!tried.Contains(todo[i])) store.Keep([.. labeller.Label(todo[i])]);
                    if (explainer is not null && !explained.Contains(todo[i]) && explainer.Explain(labeller, todo[i], terminal.Interrupted) is { } label) store.Keep([label]);
                    progress.Report(latents.Length - todo.Length + i + 1);
                }
            terminal.WhenInterrupted = null;
            (unreadLabels, unreadSheets) = (explainer?.UnreadLabels ?? 0, explainer?.UnreadSheets ?? 0);
        }
        var means = MeanScores.Of(store.Get(latents));
        Print(means, latents.Length, todo.Length, unreadLabels, options, terminal);
        return new("", wanted.Length, todo.Length, latents.Length - todo.Length, wanted.Length - latents.Length, unreadLabels, unreadSheets, means, [], 0);
    }

    private static int[] Wanted(FeatureIndex index, LabelOptions options)
    {
        if (options.Latents.Length > 0) return [.. options.Latents.Distinct()];
        if (options.Count is null) return [.. Enumerable.Range(0, index.DSae)];
        return [.. LatentChoice.Strongest(index).Take(options.Count.Value)];
    }

    /// <summary>The SAE that a run's index was made of.</summary>
    private static string Sae(RunFolder run, LabelOptions options) => RunFolder.Contains(run.Folder) ? run.Folder : run.Recall<IndexOptions>("index")?.Sae
        ?? throw new DirectoryNotFoundException($"'{options.Run}' does not say which SAE it belongs to. Make its index anew with 'parsimony index'.");

    private static void Print(IReadOnlyList<MeanScores> means, int latents, int made, int unread, LabelOptions options, Terminal terminal)
    {
        terminal.Say($"{latents} latents that fire, {made} labelled now{(unread > 0 ? $"; the explainer's answers for {unread} had no label in them" : "")}");
        static string Text(double? value) => value is { } v ? v.ToString("0.000", System.Globalization.CultureInfo.InvariantCulture) : "-";
        if (means.Count > 0)
        {
            terminal.Table(["label", "found#", "scored#", "detection#", "fuzzing#", "precision#", "recall#", "F1#", "Pearson#", "Spearman#"], means.SelectMany(m => new[] { ("", m.Label), (", one token", m.PeakToken), (", another latent's", m.Shuffled) }
                .Where(row => row.Item2 is not null).Select((row, i) => (string[])[m.Method.ToString().ToLowerInvariant() + row.Item1, i == 0 ? $"{m.Found}" : "", $"{row.Item2!.Scored}", Text(row.Item2.Detection), Text(row.Item2.Fuzzing),
                    Text(row.Item2.Precision), Text(row.Item2.Recall), Text(row.Item2.F1), Text(row.Item2.Pearson), Text(row.Item2.Spearman)])));
            terminal.Say("means over latents, on held-out windows; detection and fuzzing are balanced accuracies: always yes, or always no, has 0.500; precision, recall and F1 are detection's");
        }
        terminal.Say($"next: parsimony show feature LATENT --run {options.Run}");
    }
}
