using Parsimony.Cli.Runs;
using Parsimony.Files;
using Parsimony.FineTuning;
using Parsimony.FineTuning.Analysis;
using Parsimony.FineTuning.Policy;
using Parsimony.FineTuning.Rewards;
using Parsimony.Reporting;

namespace Parsimony.Cli.Commands;

/// <summary>The reinforcement learning of <c>parsimony demo --rlhf</c>: the bundled model of children's stories is asked for gentler ones. It goes on from
/// places where its own text comes to a word of fear or violence, and one half of those words, chosen by hash, costs it a reward.</summary>
internal static class GentlerStories
{
    private const int PromptWords = 14, PromptTokens = 24;

    /// <summary>Writes the prompts and does what <c>parsimony rlhf</c> does with them.</summary>
    public static RunReport Run(LoadedSae sae, DemoOptions options, RunFolder run, Terminal terminal)
    {
        string model = sae.Model.Folder, words = Path.Combine(model, "frightening.txt"), prompts = Path.Combine(run.Folder, "rlhf-prompts.jsonl");
        AtomicFile.WriteText(prompts, string.Concat(Prompts(File.ReadAllText(Path.Combine(model, "corpus.txt")), Lexicon.Load(words))
            .Select(text => Json.WriteLine(new Dictionary<string, string> { ["prompt"] = text }) + "\n")));
        return RlhfCommand.Run(LoadedSaes.With(sae), Rlhf(options, model, words, prompts), run, terminal);
    }

    /// <summary>Which features did it, in little time: beside the one null run there is, and on few continuations.</summary>
    public static RunReport Analyse(DemoOptions options, RunFolder run, Terminal terminal)
    {
        var report = AnalyseCommand.Run(new AnalyseOptions
        {
            Run = options.Out,
            Of = LearnedBy.Rlhf,
            NullRuns = 1,
            Continuations = 192,
            Examples = 64,
            Analysis = new AnalysisOptions { LeaveOneOut = 6, RandomControls = 1, Doses = 5, BatchSize = 32, Seed = options.Seed },
        }, run, terminal);
        ReportCommand.WritePage(report, run);
        return report;
    }

    /// <summary>The words before each frightening one, whichever half it is of.</summary>
    private static IEnumerable<string> Prompts(string corpus, Lexicon words) =>
        from document in corpus.Split("<|endoftext|>")
        from hit in words.Find(document)
        let before = document[..hit.Start].TrimEnd().Split(' ')
        where before.Length >= PromptWords
        select string.Join(' ', before[^PromptWords..]);

    private static RlhfOptions Rlhf(DemoOptions options, string model, string words, string prompts) => new()
    {
        Sae = [options.Out],
        Prompts = prompts,
        Lexicon = words,
        HeldOut = Path.Combine(model, "stories-heldout.txt"),
        Continuations = options.Continuations,
        Task = "tell gentler stories: a frightening or violent word costs a reward of 1",
        Prompting = new RolloutPromptOptions { PromptTokens = PromptTokens },
        Policy = new PolicyOptions
        {
            Steps = options.RlhfSteps,
            BatchSize = 256,
            MaxNewTokens = 24,
            Epochs = 2,
            LearningRate = 0.01,
            KlCoefficient = 0.01,
            Lambda = 0.5,
            CheckpointEverySteps = 5,
            Seed = options.Seed,
        },
    };
}
