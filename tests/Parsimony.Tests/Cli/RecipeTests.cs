using System.CommandLine;
using System.Text.Json.Nodes;
using Parsimony.Cli;
using Parsimony.Cli.Commands;
using Parsimony.Files;
using Parsimony.FineTuning;
using Parsimony.FineTuning.Rewards;
using Parsimony.Models;
using Parsimony.Training;
using Xunit;

namespace Parsimony.Tests.Cli;

public sealed class RecipeTests : IDisposable
{
    private static readonly string Root = Shared.RepositoryRoot();
    private readonly string before = Directory.GetCurrentDirectory();

    public RecipeTests() => Directory.SetCurrentDirectory(Root); // recipes name texts from there

    public void Dispose() => Directory.SetCurrentDirectory(before);

    public static TheoryData<string> OfTrain => [.. Directory.GetFiles(Path.Combine(Root, "recipes"), "*.json").Select(f => Path.GetFileName(f)!).Where(f => f is not ("article-2023.json" or "swear-less.json"))];

    [Theory]
    [MemberData(nameof(OfTrain))]
    public void Every_recipe_is_read_by_the_command_it_is_for(string recipe)
    {
        string path = Path.Combine("recipes", recipe);
        TrainOptions[] runs = Train(path) is { } single ? [single] : [.. SweepFile.Read(path, Bind(path)).Members.Select(m => m.Options)];
        Assert.All(runs, run => Assert.StartsWith("runs", run.Out, StringComparison.Ordinal));
        Assert.Contains($"`{recipe}`", File.ReadAllText(Path.Combine("recipes", "README.md")), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("pythia-6.9b-layer1.json", "pythia-6.9b", 1, 16384)]
    [InlineData("pythia-70m-layer1.json", "pythia-70m", 1, 2048)]
    [InlineData("pythia-70m-layer4.json", "pythia-70m", 4, 2048)]
    public void The_numbers_of_the_article_are_in_its_recipes(string recipe, string model, int layer, int latents)
    {
        var options = Train(Path.Combine("recipes", recipe))!;
        Assert.Equal(($"EleutherAI/{model}", "Skylion007/openwebtext"), (options.Model, options.Text));
        Assert.Equal(new HookPoint(layer, HookSite.MlpOut), options.Hook);
        Assert.Equal((128, 1024, 1024), (options.SequenceLength, options.Buffer.BatchTokens, options.Buffer.BufferTokens)); // 8 contexts a step, just those
        Assert.Equal(83_000_000, options.Sae.TrainingTokens);
        Assert.True(options.MaxTokens > options.Sae.TrainingTokens); // no text is seen twice
        Assert.Equal(Json.Write(new SaeTrainingOptions
        {
            Architecture = SaeArchitecture.Standard,
            DSae = latents,
            TrainingTokens = options.Sae.TrainingTokens,
            LearningRate = 1e-4,
            AdamBeta1 = 0.9,
            AdamBeta2 = 0.999,
            DecoderConstraint = DecoderConstraint.Renormalise,
            L1Coefficient = 0.01,
            TargetL0Fraction = 0.01,
            SteerAfterTokens = 5_000_000,
            Resampling = DeadLatentCure.Kaiming,
            ResampleEverySteps = 10_000,
            ResampleLookBackSteps = 5_000,
            CheckpointEverySteps = 20_000,
        }), Json.Write(options.Sae));
    }

    [Fact]
    public void The_article_is_fine_tuned_as_it_stood()
    {
        var binder = new OptionBinder<FinetuneOptions>();
        var command = new Command("finetune");
        binder.AddTo(command);
        var options = binder.Bind(command.Parse([]), Path.Combine("recipes", "article-2023.json"));
        Assert.Equal(DialOptions.Article2023, options.Dials);
        Assert.Equal((1e-3, 1e-2, 8, 2000, 128), (options.Sft.LearningRate, options.Sft.WeightDecay, options.Sft.BatchSize, options.Sft.Steps, options.Sft.SequenceLength));
        Assert.Equal(("EleutherAI/arithmetic", "context"), (options.Data, options.Corpus.TextColumn));
        Assert.Equal([Train(Path.Combine("recipes", "pythia-70m-layer1.json"))!.Out], options.Sae);
        Assert.Null(options.Out); // 'report' finds both in one folder
    }

    [Fact]
    public void The_articles_wish_is_a_recipe_whose_words_are_the_users_own()
    {
        var binder = new OptionBinder<RlhfOptions>();
        var command = new Command("rlhf");
        binder.AddTo(command);
        var options = binder.Bind(command.Parse([]), Path.Combine("recipes", "swear-less.json"));
        Assert.Equal([Train(Path.Combine("recipes", "pythia-70m-layer4.json"))!.Out], options.Sae);
        Assert.Equal((LexiconSide.Rewarded, 0.5), (options.AllRewards().Lexicon!.Side, options.AllRewards().Lexicon!.HeldOutFraction));
        Assert.False(File.Exists(options.Lexicon));
        Assert.Equal((256, 24, 0.01), (options.Policy.BatchSize, options.Policy.MaxNewTokens, options.Policy.KlCoefficient));
    }

    private static TrainOptions? Train(string path) => SweepFile.SingleOrNull(path, Bind(path));

    private static Func<JsonObject, string, TrainOptions> Bind(string path)
    {
        var binder = new OptionBinder<TrainOptions>();
        var command = new Command("train");
        binder.AddTo(command);
        return (json, source) => binder.Bind(command.Parse([path]), null, json, source);
    }
}
