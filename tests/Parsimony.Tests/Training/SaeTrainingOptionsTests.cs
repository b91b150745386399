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
        Assert.Equal(819_200, options.ResampleSampleTokens); // Bricken et al. 2023
        Assert.Contains("resample_sample_tokens is 0; allowed: 1 or more",
            Assert.Throws<ArgumentException>((options with { ResampleSampleTokens = 0 }).Validated).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_fault_is_named_at_once()
    {
        var options = new SaeTrainingOptions { ExpansionFactor = 0, LearningRate = -1, TargetL0Fraction = 2 };
        string message = Assert.Throws<ArgumentException>(options.Validated).Message;
        Assert.Equal("The training options are wrong: expansion_factor is 0; allowed: 1 or more; target_l0_fraction is 2; "
            + "allowed: above 0 and below 1; learning_rate is -1; allowed: above 0.", message);
    }

    [Theory]
    [InlineData(SaeArchitecture.Standard, DecoderConstraint.Renormalise, 0, EncoderStart.Kaiming, 1, DecoderBiasStart.Zero, ActivationScaling.Raw, DeadLatentCure.Kaiming)]
    [InlineData(SaeArchitecture.Standard, DecoderConstraint.Free, 1, EncoderStart.DecoderTransposed, 0.1, DecoderBiasStart.Zero, ActivationScaling.Raw, DeadLatentCure.Kaiming)]
    [InlineData(SaeArchitecture.Topk, DecoderConstraint.Renormalise, 1, EncoderStart.DecoderTransposed, 1, DecoderBiasStart.GeometricMedian, ActivationScaling.Raw, DeadLatentCure.Never)]
    [InlineData(SaeArchitecture.Jumprelu, DecoderConstraint.Renormalise, 1, EncoderStart.DecoderTransposed, 1, DecoderBiasStart.Zero, ActivationScaling.UnitNorm, DeadLatentCure.Never)]
    [InlineData(SaeArchitecture.Gated, DecoderConstraint.Renormalise, 1, EncoderStart.DecoderTransposed, 1, DecoderBiasStart.Zero, ActivationScaling.Raw, DeadLatentCure.Kaiming)]
    [InlineData(SaeArchitecture.Transcoder, DecoderConstraint.Renormalise, 1, EncoderStart.Kaiming, 1, DecoderBiasStart.Zero, ActivationScaling.Raw, DeadLatentCure.Kaiming)]
    public void What_is_left_open_goes_by_the_architecture(SaeArchitecture architecture, DecoderConstraint constraint, double clip, EncoderStart encoder,
        double norm, DecoderBiasStart bias, ActivationScaling scaling, DeadLatentCure cure)
    {
        var options = new SaeTrainingOptions { Architecture = architecture, DecoderConstraint = constraint };
        var o = ArchitectureDefaults.Resolve(options);
        Assert.Equal((clip, encoder, norm, bias, scaling, cure),
            (o.GradientClip, o.Start.EncoderStart, o.Start.DecoderStartNorm, o.Start.DecoderBiasStart, o.Start.ActivationScaling, o.Resampling));
        var said = ArchitectureDefaults.Resolve(options with { GradientClip = 7, Resampling = DeadLatentCure.Anthropic, Start = new() { ActivationScaling = ActivationScaling.Rms } });
        Assert.Equal((7, DeadLatentCure.Anthropic, ActivationScaling.Rms), (said.GradientClip, said.Resampling, said.Start.ActivationScaling));
    }

    [Fact]
    public void Faults_of_every_part_are_named_at_once()
    {
        var options = new SaeTrainingOptions
        {
            Architecture = SaeArchitecture.Topk,
            TargetL0 = 5,
            TargetL0Fraction = 0.1,
            GradientClip = -1,
            SkipConnection = true,
            TopK = new() { GroupFractions = [0.5, 0.2] },
            Jumprelu = new() { Bandwidth = 0 },
            Start = new() { SampleTokens = 0 },
        };
        string message = Assert.Throws<ArgumentException>(options.Validated).Message;
        Assert.Equal("The training options are wrong: target_l0 is 5; allowed: none when target_l0_fraction is set; gradient_clip is -1; allowed: 0 (none) or more; "
            + "skip_connection is True; allowed: true for transcoder only; sample_tokens is 0; allowed: 1 or more; k is null; allowed: 1 or more, required for this "
            + "architecture; group_fractions is [0.5, 0.2]; allowed: one or more above 0 that add up to 1; bandwidth is 0; allowed: above 0.", message);
    }

    [Fact]
    public void Every_option_describes_itself() =>
        Assert.All(((Type[])[typeof(SaeTrainingOptions), typeof(TopKOptions), typeof(JumpReluOptions), typeof(SaeStartOptions)]).SelectMany(t => t.GetProperties()),
            p => Assert.NotNull(p.GetCustomAttribute<DescriptionAttribute>()));

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
