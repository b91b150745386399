using Parsimony.Cli.Commands;
using Parsimony.FineTuning;
using Parsimony.FineTuning.Analysis;
using Parsimony.FineTuning.Policy;
using Parsimony.Reporting;

namespace Parsimony.Cli.Runs;

/// <summary>The methods that an analysed training stands beside: adapters are measured as it was; of a run from rewards its report is taken, which says the same.</summary>
internal sealed class OtherMethods(Learned learned, RunFolder run, AnalyseOptions options, Terminal terminal)
{
    private ContinuationReport? plain;

    /// <summary>What is gained, in words; null: the fall or rise of the objective's first part.</summary>
    public string? Gain => learned.By is LearnedBy.Rlhf ? "rewarded words fewer per 1000 tokens" : null;

    /// <summary>The place of the training itself.</summary>
    /// <exception cref="InvalidDataException">Its report lacks what others would be compared by.</exception>
    public ParetoPoint Own() => learned.By is LearnedBy.Rlhf ? Reported(run.Folder, run.Report) : Measured(learned.Dials);

    /// <summary>A method's place.</summary>
    /// <param name="path">An adapter folder, or a run folder.</param>
    /// <exception cref="FileNotFoundException">There is no adapter.</exception>
    /// <exception cref="InvalidDataException">It belongs to another model, or its run lacks what it would be compared by.</exception>
    public ParetoPoint Point(string path)
    {
        bool alone = AdapterFolder.IsOne(path);
        if (learned.By is LearnedBy.Rlhf && !alone) return Reported(path, RunFolder.Existing(path).Report);
        using var loaded = LoadedAdapter.Open(path, learned.Saes.Model);
        using var adapter = loaded.Release();
        if (alone) terminal.Note([$"'{path}' is an adapter without its run: measured here. What only its run knows, its null run and how long it learned, is left out."]);
        return learned.Rewarded is { } rlhf ? Said(adapter, rlhf) : Measured(adapter);
    }

    private ParetoPoint Measured(IAdapter adapter) => OtherMethod.Measure(adapter, learned.Model, learned.Dials.Saes,
        seam => (learned.Objective(seam, options, terminal), HeldOut(seam)), options.Analysis.BatchSize, terminal.Interrupted);

    /// <summary>The loss on the text that perplexity is measured on; null: there is none.</summary>
    public LossObjective? HeldOut(DialSeam seam) => (options.HeldOut ?? learned.HeldOutText) is not { } text ? null
        : new LossObjective(seam, [.. learned.Saes.Model.Pack(text, new Text.TextOptions(), Math.Min(128, learned.Model.Config.MaxSequenceLength), options.Examples).Select(c => new SftExample(c, 1))], "held-out text");

    /// <summary>An adapter by what the model says with it, measured as rlhf measures.</summary>
    private ParetoPoint Said(IAdapter adapter, RlhfOptions rlhf)
    {
        var (model, tokenizer) = (learned.Model, learned.Saes.Model.Tokenizer);
        var words = RlhfCommand.Lists(rlhf.AllRewards().Lexicon).Rewarded;
        ContinuationReport Measure(bool atRest)
        {
            using var progress = terminal.Progress($"{adapter.Method}, {(atRest ? "before" : "after")}", rlhf.Continuations, "texts");
            return ContinuationReport.Measure(ContinuationWriters.Adapter(model, adapter, atRest, tokenizer, rlhf.Policy, terminal.Interrupted),
                tokenizer, learned.Asked, rlhf.Policy, rlhf.Continuations, words, progress: progress.From<int>(n => n));
        }
        using var scope = TorchSharp.torch.NewDisposeScope();
        var before = adapter.Rest() is null ? plain ??= Measure(atRest: true) : Measure(atRest: true);
        var after = Measure(atRest: false);
        return new ParetoPoint(adapter.Method, RlhfCommand.Perplexities(learned.Saes.Model, rlhf, adapter, terminal).After!.Value,
            before.Rewarded!.Value.Value - after.Rewarded!.Value.Value, adapter.TrainableParameters, after.Kl, after.DistinctPairs);
    }

    /// <summary>A training from rewards by what its report says it gained, in hits per 1000 tokens, and cost, in perplexity.</summary>
    private static ParetoPoint Reported(string folder, RunReport report)
    {
        string Missing(string what) => $"'{folder}' has no {what} in its report.json, so it cannot stand beside another. Repeat it with rlhf.";
        var r = report.Rlhf ?? throw new InvalidDataException(Missing("training from rewards"));
        if (r.HitsRewardedBefore is not { } before || r.HitsRewardedAfter is not { } after) throw new InvalidDataException(Missing("hits of a word list"));
        return new ParetoPoint(r.Method ?? r.Algorithm, r.PerplexityAfter ?? throw new InvalidDataException(Missing("perplexity (--held-out)")), before - after, r.TrainableParameters, r.Kl, r.DistinctPairsAfter);
    }
}
