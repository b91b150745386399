using Parsimony.Cli.Commands;
using Parsimony.FineTuning;
using Parsimony.FineTuning.Analysis;
using Parsimony.FineTuning.Baselines;
using Parsimony.FineTuning.Policy;
using Parsimony.FineTuning.Preference;
using Parsimony.Models;
using Parsimony.Reporting;
using Parsimony.Splicing;

namespace Parsimony.Cli.Runs;

/// <summary>By what dials were learned.</summary>
internal enum LearnedBy
{
    Finetune,
    Dpo,
    Rlhf,
}

/// <summary>A training that is done, opened again as it was: its model, SAEs and dials, its null runs, and what it was for.</summary>
internal sealed class Learned : IDisposable
{
    private readonly FinetuneOptions? finetune;
    private readonly DpoCommandOptions? dpo;
    private readonly RlhfOptions? rlhf;
    private readonly RunFolder run;
    private readonly Lazy<(List<SftExample> Train, List<SftExample> HeldOut)> examples;
    private readonly Lazy<(IReadOnlyList<PreferencePair> Train, IReadOnlyList<PreferencePair> HeldOut)> pairs;
    private readonly Lazy<(IReadOnlyList<RolloutPrompt> Learnt, IReadOnlyList<RolloutPrompt> Asked)> prompts;

    private Learned(RunFolder run, LearnedBy by, Terminal terminal)
    {
        (this.run, By) = (run, by);
        T Recalled<T>(string command) where T : class => run.Recall<T>(command) ?? throw new InvalidDataException($"'{run.Folder}' does not say how its dials were learned: config.json has no '{command}'.");
        if (by is LearnedBy.Finetune) finetune = Recalled<FinetuneOptions>("finetune");
        else if (by is LearnedBy.Dpo) dpo = Recalled<DpoCommandOptions>("dpo");
        else rlhf = Recalled<RlhfOptions>("rlhf");
        examples = new(() => FinetuneCommand.Examples(Saes!.Model, finetune!));
        pairs = new(() => DpoCommand.Pairs(Saes!.Model, dpo!, terminal));
        prompts = new(() => RlhfCommand.Prompts(Saes!.Model, rlhf!, terminal));
        var (sae, model, load, method) = (finetune?.Sae ?? dpo?.Sae ?? rlhf!.Sae, finetune?.Model ?? dpo?.Model ?? rlhf?.Model, finetune?.Load ?? dpo?.Load ?? rlhf!.Load,
            (finetune?.Baseline ?? dpo?.Baseline ?? rlhf!.Baseline).Method);
        Saes = method is BaselineMethod.RandomDictionary ? LoadedSaes.Of(Adapter(run, by), model, load) : LoadedSaes.Open(sae, model, load); // a random dictionary lies within the adapter
        try
        {
            terminal.Note(Saes.Model.Notes);
            Dials = Saes.Load(Adapter(run, by));
        }
        catch
        {
            Saes.Dispose();
            throw;
        }
    }

    public LearnedBy By { get; }

    public LoadedSaes Saes { get; }

    public DialAdapter Dials { get; }

    public Transformer Model => Saes.Model.Model;

    /// <summary>The text whose perplexity the training was measured by; null: none.</summary>
    public string? HeldOutText => rlhf?.HeldOut;

    /// <summary>How was learned from rewards; null: it was not.</summary>
    public RlhfOptions? Rewarded => rlhf;

    /// <summary>The prompts of a training from rewards that it is measured on.</summary>
    public IReadOnlyList<RolloutPrompt> Asked => prompts.Value.Asked;

    /// <summary>Opens what a run learned.</summary>
    /// <param name="run">The run folder.</param>
    /// <param name="by">By which training; null: the last of those that left an adapter.</param>
    /// <param name="terminal">For notes.</param>
    /// <exception cref="InvalidDataException">The run has learned no dials, or not so.</exception>
    public static Learned Open(RunFolder run, LearnedBy? by, Terminal terminal)
    {
        LearnedBy[] there = [.. Enum.GetValues<LearnedBy>().Where(b => AdapterFolder.HoldsDials(Adapter(run, b)))];
        if (there.Length == 0 || (by is { } wanted && !there.Contains(wanted))) throw new InvalidDataException(
            $"'{run.Folder}' has no dials learned by {(by?.ToString() ?? "finetune, dpo or rlhf").ToLowerInvariant()}; it has some by: {(there.Length == 0 ? "none" : string.Join(", ", there).ToLowerInvariant())}.");
        return new Learned(run, by ?? there.MaxBy(b => AdapterFolder.LastWrite(Adapter(run, b))), terminal);
    }

    /// <summary>The dials of a null run of the same budget; what was trained before is not trained again.</summary>
    /// <param name="index">Which, from 0; the first is the run's own.</param>
    /// <param name="prefixes">States below the dials, shared by all null runs.</param>
    /// <param name="terminal">Shows the progress.</param>
    public DialAdapter NullRun(int index, PrefixCache prefixes, Terminal terminal)
    {
        var adapter = new DialAdapter(Model, Saes.Spliced, finetune?.Dials ?? dpo?.Dials ?? rlhf!.Dials);
        try
        {
            string Folder(string first) => index == 0 ? first : $"{first}-{index + 1}";
            string name = $"null run {index + 1}";
            if (finetune is not null)
            {
                var sft = finetune.Sft with { ShuffleLabels = true, Seed = finetune.Sft.Seed + index };
                using var progress = terminal.Progress(name, sft.Steps, "steps");
                new SftTrainer(Model, adapter, sft, prefixes).Train(examples.Value.Train, [], Folder(run.NullRun),
                    progress.From<SftProgress>(p => p.Step, p => $"loss {p.Loss:0.000}"), terminal.Interrupted);
            }
            else if (dpo is not null)
            {
                var options = dpo.Dpo with { ShuffleLabels = true, Seed = dpo.Dpo.Seed + index };
                using var progress = terminal.Progress(name, options.Steps, "steps");
                new DpoTrainer(Model, adapter, options, prefixes).Train(pairs.Value.Train, [], Folder(run.DpoNull),
                    progress.From<DpoProgress>(p => p.Step, p => $"loss {p.Loss:0.000}"), terminal.Interrupted);
            }
            else
            {
                var policy = rlhf!.Policy with { NullRewards = NullRewards.Shuffle, Seed = rlhf.Policy.Seed + index };
                using var progress = terminal.Progress(name, policy.Steps, "steps");
                using var judges = rlhf.AllRewards().Create(Model, Saes.Model.Tokenizer);
                new PolicyTrainer(Model, adapter, Saes.Model.Tokenizer, policy).Train(prompts.Value.Learnt, judges, Folder(run.RlhfNull),
                    progress.From<PolicyProgress>(p => p.Step, p => $"reward {p.Reward:0.000}"), terminal.Interrupted);
            }
            return adapter;
        }
        catch
        {
            adapter.Dispose();
            throw;
        }
    }

    /// <summary>What the dials are for on what was not learned from, the same on what was, and texts to look at latents on.</summary>
    public (IObjective Objective, IObjective? LearntFrom, IReadOnlyList<SftExample> Texts) Objective(DialSeam seam, DialChange change, AnalyseOptions options, Terminal terminal)
    {
        if (finetune is not null)
        {
            var measured = Loss(seam, options);
            return (measured, new LossObjective(seam, [.. examples.Value.Train.Take(options.Examples)], "training loss"), measured.Rows);
        }
        if (dpo is not null)
        {
            var measured = Preference(seam, options, terminal);
            return (measured, Preference(seam, pairs.Value.Train, "preference loss of what was learned from", options, terminal), measured.Rows);
        }
        using var judges = rlhf!.AllRewards().Create(Model, Saes.Model.Tokenizer);
        using var progress = terminal.Progress("continuations", options.Continuations, "texts");
        var said = RolloutSampler.Sample(seam, change, Saes.Model.Tokenizer, prompts.Value.Asked, judges, new RolloutObjectiveOptions
        {
            Continuations = options.Continuations / 2 * 2,
            MaxNewTokens = rlhf.Policy.MaxNewTokens,
            Temperature = rlhf.Policy.Temperature,
            KlCoefficient = rlhf.Policy.KlCoefficient,
            Seed = rlhf.Policy.Seed,
        }, progress.From<int>(n => n), terminal.Interrupted);
        return (said, null, said.Rows);
    }

    /// <summary>What was not learned from, for whatever is in the seam.</summary>
    /// <exception cref="InvalidOperationException">It was learned from rewards, of which each method says its own.</exception>
    public IObjective Objective(DialSeam seam, AnalyseOptions options, Terminal terminal) => finetune is not null ? Loss(seam, options) : dpo is not null ? Preference(seam, options, terminal)
        : throw new InvalidOperationException("Rewards are of what a method itself says; sample it.");

    private LossObjective Loss(DialSeam seam, AnalyseOptions options)
    {
        var (train, heldOut) = examples.Value;
        return new LossObjective(seam, [.. (heldOut.Count == 0 ? train : heldOut).Take(options.Examples)], heldOut.Count == 0 ? "training loss" : "held-out loss");
    }

    private PreferenceObjective Preference(DialSeam seam, AnalyseOptions options, Terminal terminal)
    {
        var (train, heldOut) = pairs.Value;
        return Preference(seam, heldOut.Count == 0 ? train : heldOut, heldOut.Count == 0 ? "preference loss" : "held-out preference loss", options, terminal);
    }

    private PreferenceObjective Preference(DialSeam seam, IReadOnlyList<PreferencePair> pairs, string name, AnalyseOptions options, Terminal terminal) =>
        new(seam, [.. pairs.Take(options.Examples)], dpo!.Dpo.Beta, options.Analysis.BatchSize, name, terminal.Interrupted);

    private static string Adapter(RunFolder run, LearnedBy by) => by switch
    {
        LearnedBy.Finetune => run.Adapter,
        LearnedBy.Dpo => run.DpoAdapter,
        _ => run.RlhfAdapter,
    };

    public void Dispose()
    {
        Dials.Dispose();
        Saes.Dispose();
    }
}
