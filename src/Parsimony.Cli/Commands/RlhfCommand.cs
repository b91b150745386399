using System.CommandLine;
using System.ComponentModel;
using System.Diagnostics;
using Parsimony.Cli.Runs;
using Parsimony.Evaluation;
using Parsimony.Files.Hub;
using Parsimony.FineTuning;
using Parsimony.FineTuning.Baselines;
using Parsimony.FineTuning.Policy;
using Parsimony.FineTuning.Rewards;
using Parsimony.Native;
using Parsimony.Reporting;
using Parsimony.Splicing;
using Parsimony.Text;
using Parsimony.Training;

namespace Parsimony.Cli.Commands;

/// <summary>Options of <c>parsimony rlhf</c>.</summary>
internal sealed record RlhfOptions
{
    [Positional]
    [Description("run folder, or SAE folder in the SAELens layout; several, each at its own hook point, are learned on together")]
    public required string[] Sae { get; init; }

    [Description("prompts to go on from: a .txt with one on each line, or .jsonl with a \"prompt\" in each row")]
    public required string Prompts { get; init; }

    [Description("word list to be avoided; other rewards are given in a --config file, under \"rewards\"")]
    public string? Lexicon { get; init; }

    [Description("share of the word list that the reward does not know, for measuring; 0: none")]
    public double LexiconHeldOut { get; init; } = 0.5;

    [Description("share of the prompts that is not learned from, for measuring; 0: measured on the same")]
    public double PromptsHeldOut { get; init; } = 0.2;

    [Description("text to measure perplexity on, before and after")]
    public string? HeldOut { get; init; }

    [Description("continuations to measure on")]
    public int Continuations { get; init; } = 2000;

    [Description("model folder; a run folder knows its own")]
    public string? Model { get; init; }

    [Description("run folder for adapter and report.json; the default is the SAE's own run folder, if it has one")]
    public string? Out { get; init; }

    [Description("also train on rewards that are dealt out at random, to see what noise alone would do")]
    public bool NullRun { get; init; } = true;

    [Description("what is to be learned, in one sentence for the report")]
    public string? Task { get; init; }

    [Description(DeviceOption.Text)]
    public string Device { get; init; } = TorchDevice.Cpu;

    [Description("print memory and time needed, and do nothing")]
    public bool Plan { get; init; }

    public WeightOptions Load { get; init; } = new();

    public RolloutPromptOptions Prompting { get; init; } = new();

    public RewardOptions? Rewards { get; init; }

    public BaselineOptions Baseline { get; init; } = new();

    public DecodingOptions Decoding { get; init; } = new();

    public DialOptions Dials { get; init; } = new();

    public PolicyOptions Policy { get; init; } = new();

    /// <summary>Where the run is: the folder that is named, else the first SAE's own.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public string Folder => Out ?? (RunFolder.Contains(Sae[0]) ? Sae[0] : "runs/rlhf");

    /// <summary>These options, checked.</summary>
    public RlhfOptions Validated()
    {
        DeviceOption.Ensure(Device);
        var faults = new OptionFaults();
        faults.Check(Sae.Length > 0, "sae", "empty", "one or more");
        faults.Check(Lexicon is not null || Rewards is not null, "lexicon", "not given", "a word list, or rewards in a --config file");
        faults.Check(LexiconHeldOut is >= 0 and < 1, "lexicon_held_out", LexiconHeldOut, "0 or more and below 1");
        faults.Check(PromptsHeldOut is >= 0 and < 1, "prompts_held_out", PromptsHeldOut, "0 or more and below 1");
        faults.Check(Continuations >= 1, "continuations", Continuations, "1 or more");
        faults.ThrowIfAny("the options of rlhf");
        return this;
    }

    /// <summary>All rewards, the word list included.</summary>
    public RewardOptions AllRewards() => Lexicon is not { } list ? Rewards! : (Rewards ?? new()) with
    {
        Lexicon = (Rewards?.Lexicon ?? new()) with
        {
            Path = list,
            Side = LexiconHeldOut > 0 ? LexiconSide.Rewarded : LexiconSide.All,
            HeldOutFraction = LexiconHeldOut > 0 ? LexiconHeldOut : 0.5,
        },
    };
}

/// <summary><c>parsimony rlhf</c>: learn the dials from rewards on what the fused model says.</summary>
internal static class RlhfCommand
{
    /// <summary>Bytes for the states below the hook of the text that perplexity is measured on.</summary>
    internal const long PerplexityCacheBytes = 1L << 30;

    private const int PerplexityTokens = 128; // of a context, or the model's limit

    public static Command Create() => CliCommand.Create<RlhfOptions>(
        "rlhf", "Teaches a model by rewards, only through its SAE's features: PPO, GRPO or RLOO on one scale and one shift per latent.",
        (options, terminal) =>
        {
            using var saes = LoadedSaes.Open(options.Sae, options.Model, options.Load, options.Device);
            if (options.Plan) return Plan(saes, options, terminal);
            var run = RunFolder.At(options.Folder);
            var report = Run(saes, options, run, terminal);
            Print(report.Rlhf!, run, terminal);
            return report;
        },
        [
            "parsimony rlhf runs/pythia --prompts prompts.txt --lexicon words.txt --held-out wikitext.txt",
            "parsimony rlhf runs/pythia --prompts prompts.txt --lexicon words.txt --plan",
            "parsimony rlhf runs/pythia --prompts prompts.jsonl --algorithm rloo --config rewards.json --out runs/rloo",
        ]);

    /// <summary>Measures, trains, measures again, does the same with rewards that mean nothing, saves the adapter, adds to the run's report.</summary>
    public static RunReport Run(LoadedSaes saes, RlhfOptions options, RunFolder run, Terminal terminal)
    {
        var clock = Stopwatch.StartNew();
        run.Remember("rlhf", options, isBegun: RunFolder.IsBegun(run.Rlhf));
        terminal.WhenInterrupted = $"The state is in {run.Folder}; the same command goes on from it.";
        terminal.Note(saes.Model.Notes);
        var (model, tokenizer) = (saes.Model.Model, saes.Model.Tokenizer);
        var (prompts, asked) = Prompts(saes.Model, options, terminal);
        var rewards = options.AllRewards();
        var (rewarded, heldOut) = Lists(rewards.Lexicon);

        using var judge = options.Decoding.Decoding is Decoding.BestOfN ? rewards.Create(model, tokenizer) : null;
        using var learners = new Learners(saes, options.Dials, options.Baseline, prompts.Select(p => p.Tokens));
        using var adapter = options.Decoding.Decoding is Decoding.Clamp ? Clamped(saes, options.Decoding) : learners.New();
        var before = Measure(Writer(adapter, atRest: true), "before");
        PolicyResult? result = null;
        ContinuationReport? noise = null;
        if (options.Decoding.Decoding is Decoding.Learn)
        {
            result = Train(adapter, options.Policy, run.Rlhf, options.Policy.Algorithm.ToString().ToUpperInvariant());
            if (options.NullRun)
            {
                using var nothing = learners.New();
                Train(nothing, options.Policy with { NullRewards = NullRewards.Shuffle }, run.RlhfNull, "null run");
                noise = Measure(Writer(nothing, atRest: false), "after the null run");
            }
        }
        var after = Measure(After(), "after");
        var (perplexityBefore, perplexityAfter) = Perplexities(saes.Model, options, adapter, terminal);
        if (result is not null) learners.Save(run.RlhfAdapter, adapter, Results(before, after));

        var hits = new (string Name, Estimate? Hits)[]
        {
            ("hits_rewarded_before", before.Rewarded), ("hits_rewarded_after", after.Rewarded), ("hits_heldout_before", before.HeldOut),
            ("hits_heldout_after", after.HeldOut), ("null_hits_rewarded_after", noise?.Rewarded), ("null_hits_heldout_after", noise?.HeldOut),
        };
        return run.Update(report => report with
        {
            Rlhf = new RlhfSummary
            {
                Algorithm = result is null ? Words.Of(options.Decoding.Decoding) : options.Policy.Algorithm.ToString().ToLowerInvariant(),
                Method = result is null ? null : Words.Of(options.Baseline.Method),
                Task = options.Task,
                Steps = result?.Steps ?? 0,
                TrainableParameters = result?.TrainableParameters ?? 0,
                Continuations = after.Continuations,
                HitsRewardedBefore = before.Rewarded?.Value,
                HitsRewardedAfter = after.Rewarded?.Value,
                HitsHeldoutBefore = before.HeldOut?.Value,
                HitsHeldoutAfter = after.HeldOut?.Value,
                NullHitsRewardedAfter = noise?.Rewarded?.Value,
                NullHitsHeldoutAfter = noise?.HeldOut?.Value,
                Intervals = hits.Where(h => h.Hits is not null).ToDictionary(h => h.Name, h => (double[])[h.Hits!.Value.Low, h.Hits.Value.High]),
                Kl = after.Kl,
                PerplexityBefore = perplexityBefore,
                PerplexityAfter = perplexityAfter,
                DistinctPairsBefore = before.DistinctPairs,
                DistinctPairsAfter = after.DistinctPairs,
                LengthBefore = before.Length,
                LengthAfter = after.Length,
                LatentsChanged = (adapter as DialAdapter)?.LatentsChanged,
            },
            Seconds = report.Seconds.With("rlhf", clock),
        });

        PolicyResult Train(IAdapter learner, PolicyOptions policy, string folder, string name)
        {
            using var progress = terminal.Progress(name, policy.Steps, "steps");
            using var judges = rewards.Create(model, tokenizer);
            var trained = new PolicyTrainer(model, learner, tokenizer, policy).Train(prompts, judges, folder, progress.From<PolicyProgress>(
                p => p.Step, p => $"reward {p.Reward:0.000}  KL {p.FullKl:0.00}  {p.TokensPerSecond:0} tokens/s"), terminal.Interrupted);
            terminal.Note(trained.Warnings);
            return trained;
        }

        ContinuationReport Measure(ContinuationWriter writer, string name)
        {
            using var progress = terminal.Progress(name, options.Continuations, "texts");
            return ContinuationReport.Measure(writer, tokenizer, asked, options.Policy, options.Continuations, rewarded, heldOut, progress.From<int>(n => n));
        }

        ContinuationWriter Writer(IAdapter learnt, bool atRest) => ContinuationWriters.Adapter(model, learnt, atRest, tokenizer, options.Policy, terminal.Interrupted);

        ContinuationWriter After() => options.Decoding.Decoding switch
        {
            Decoding.BestOfN => ContinuationWriters.BestOf(model, tokenizer, judge!, options.Decoding.BestOf, options.Policy, terminal.Interrupted),
            Decoding.BannedWords => ContinuationWriters.Without(model, tokenizer, new BannedWords(tokenizer, rewarded
                ?? throw new ArgumentException("banned_words needs a word list; give --lexicon.")), options.Policy, terminal.Interrupted),
            _ => Writer(adapter, atRest: false),
        };
    }

    private static ResourcePlan Plan(LoadedSaes saes, RlhfOptions options, Terminal terminal)
    {
        terminal.Note(saes.Model.Notes);
        var (learnt, asked) = Prompts(saes.Model, options, terminal);
        var plan = RlhfPlan.Of(saes, options, learnt, asked, options.HeldOut is { } text ? PerplexityContexts(saes.Model, text) : [], options.Folder);
        plan.Print(terminal, "RLHF", isRefused: false);
        return plan;
    }

    internal static (IReadOnlyList<RolloutPrompt> Learnt, IReadOnlyList<RolloutPrompt> Asked) Prompts(LoadedModel model, RlhfOptions options, Terminal terminal)
    {
        var read = RolloutPrompts.Load(HubCache.Local(options.Prompts, HubKind.Dataset, HubSettings.FromEnvironment()), model.Tokenizer, options.Prompting);
        if (read.TooLong + read.Truncated > 0)
            terminal.Note([$"{read.TooLong} prompts are left out as too long and {read.Truncated} lost their beginning; --prompt-tokens is {options.Prompting.PromptTokens}."]);
        return RolloutPrompts.Split(read.Prompts, options.PromptsHeldOut, options.Policy.Seed);
    }

    /// <summary>The words a reward knows, and those it does not.</summary>
    internal static (Lexicon? Rewarded, Lexicon? HeldOut) Lists(LexiconRewardOptions? options)
    {
        if (options is null) return (null, null);
        var list = Lexicon.Load(options.Path, options.Disguised);
        return (list.Of(options.Side, options.HeldOutFraction), options.Side is LexiconSide.Rewarded ? list.Of(LexiconSide.HeldOut, options.HeldOutFraction) : null);
    }

    internal static (double? Before, double? After) Perplexities(LoadedModel model, RlhfOptions options, IAdapter adapter, Terminal terminal)
    {
        if (options.HeldOut is not { } text) return (null, null);
        var contexts = PerplexityContexts(model, text);
        using var prefixes = new PrefixCache(model.Model, adapter.Hooks[0], PerplexityCacheBytes);
        var loss = new HeldOutLoss(model.Model, prefixes, [.. contexts.Select(c => new SftExample(c, 1))], 8, terminal.Interrupted);
        using var scope = TorchSharp.torch.NewDisposeScope();
        return (Math.Exp(loss.AtRest(adapter)), Math.Exp(loss.With(adapter)));
    }

    private static IReadOnlyList<int[]> PerplexityContexts(LoadedModel model, string text) =>
        model.Pack(text, new TextOptions(), Math.Min(PerplexityTokens, model.Model.Config.MaxSequenceLength));

    private static ClampAdapter Clamped(LoadedSaes saes, DecodingOptions options) =>
        new(saes.First.At, saes.First.Sae, options.ClampLatent!.Value, options.ClampValue, options.ClampWhereItFires);

    private static Dictionary<string, double> Results(ContinuationReport before, ContinuationReport after)
    {
        var results = new Dictionary<string, double> { ["kl"] = after.Kl ?? double.NaN };
        if (before.Rewarded is { } was) results["hits_rewarded_before"] = was.Value;
        if (after.Rewarded is { } now) results["hits_rewarded_after"] = now.Value;
        return results;
    }

    internal static void Print(RlhfSummary r, RunFolder run, Terminal terminal)
    {
        string Hits(string name, double? value) => value is null ? "-" : $"{value:0.00} ({r.Intervals[name][0]:0.00} to {r.Intervals[name][1]:0.00})";
        terminal.Facts(
        [
            new("rewarded words before / after", $"{Hits("hits_rewarded_before", r.HitsRewardedBefore)} / {Hits("hits_rewarded_after", r.HitsRewardedAfter)} per 1000 tokens"),
            new("held-out words before / after", $"{Hits("hits_heldout_before", r.HitsHeldoutBefore)} / {Hits("hits_heldout_after", r.HitsHeldoutAfter)}"),
            new("rewarded words after the null run", Hits("null_hits_rewarded_after", r.NullHitsRewardedAfter)),
            new("perplexity before / after", r.PerplexityBefore is { } p ? $"{p:0.00} / {r.PerplexityAfter:0.00}" : "no --held-out text"),
            new("KL", r.Kl is { } kl ? $"{kl:0.00} nats per continuation" : "-"),
            new("distinct pairs before / after", $"{r.DistinctPairsBefore:0.000} / {r.DistinctPairsAfter:0.000}"),
            new("latents changed", r.LatentsChanged is { } changed ? $"{changed}" : "-"),
            .. Directory.Exists(run.RlhfAdapter) ? (KeyValuePair<string, object?>[])[new("adapter", run.RlhfAdapter)] : [],
        ]);
    }
}
