using System.ComponentModel;
using System.Reflection;
using System.Text.Json.Nodes;
using Parsimony.Files;
using Parsimony.Training;
using Xunit;

namespace Parsimony.Tests.Training;

public sealed class SaeTrainingOptionsTests
{
    [Fact]
    public void Defaults_are_the_articles()
    {
        var options = new SaeTrainingOptions().Validated();
        Assert.Equal((8, 1e-4, 0.9, 0.999), (options.ExpansionFactor, options.LearningRate, options.AdamBeta1, options.AdamBeta2));
        Assert.Equal((10_000, 5_000, 20_000), (options.ResampleEverySteps, options.ResampleLookBackSteps, options.CheckpointEverySteps));
        Assert.Equal((DecoderConstraint.Renormalise, 5_000_000), (options.DecoderConstraint, options.SteerAfterTokens));
        Assert.Null(options.TargetL0Fraction);
    }

    [Fact]
    public void Every_fault_is_named_at_once()
    {
        var options = new SaeTrainingOptions { ExpansionFactor = 0, LearningRate = -1, TargetL0Fraction = 2 };
        string message = Assert.Throws<ArgumentException>(options.Validated).Message;
        Assert.Equal("The training options are wrong: expansion_factor is 0; allowed: 1 or more; target_l0_fraction is 2; "
            + "allowed: above 0 and below 1; learning_rate is -1; allowed: above 0.", message);
    }

    [Fact]
    public void Every_option_describes_itself() =>
        Assert.All(typeof(SaeTrainingOptions).GetProperties(), p => Assert.NotNull(p.GetCustomAttribute<DescriptionAttribute>()));

    [Fact]
    public void Options_survive_JSON()
    {
        var options = new SaeTrainingOptions { DSae = 7, TargetL0Fraction = 0.02, DecoderConstraint = DecoderConstraint.ProjectAndRenormalise };
        string json = Json.WriteLine(options);
        Assert.Equal(json, Json.WriteLine(Json.Parse<SaeTrainingOptions>(json, "test")));
        Assert.Equal("project_and_renormalise", (string?)JsonNode.Parse(json)!["decoder_constraint"]);
        Assert.NotNull(JsonNode.Parse(json)!["l1_coefficient"]);
    }

    [Theory]
    [InlineData(1000, 10)]
    [InlineData(1001, 11)]
    [InlineData(1, 1)]
    public void Training_tokens_are_rounded_up_to_whole_steps(long tokens, long steps) =>
        Assert.Equal(steps, new SaeTrainingOptions { TrainingTokens = tokens }.StepsFor(100));
}
