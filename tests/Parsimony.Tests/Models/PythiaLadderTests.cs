using Parsimony.Models;
using Xunit;

namespace Parsimony.Tests.Models;

public sealed class PythiaLadderTests
{
    [Theory] // the counts that the models' cards publish
    [InlineData("pythia-70m", 70_426_624)]
    [InlineData("pythia-160m", 162_322_944)]
    [InlineData("pythia-410m", 405_334_016)]
    [InlineData("pythia-1b", 1_011_781_632)]
    [InlineData("pythia-1.4b", 1_414_647_808)]
    [InlineData("pythia-2.8b", 2_775_208_960)]
    [InlineData("pythia-6.9b", 6_857_302_016)]
    [InlineData("pythia-12b", 11_846_072_320)]
    public void Each_shape_has_the_published_number_of_parameters(string name, long parameters) =>
        Assert.Equal(parameters, ModelTensors.Of(PythiaLadder.Find(name)!).Sum(t => t.Elements));

    [Fact]
    public void Heads_divide_the_width_and_rotate_an_even_number_of_it()
    {
        foreach (var config in PythiaLadder.Names.Select(n => PythiaLadder.Find(n)!))
            Assert.True(config.DModel % config.NHeads == 0 && config.RotaryWidth % 2 == 0 && config.RotaryPct == 0.25 && config.MaxSequenceLength == 2048);
    }

    [Theory]
    [InlineData("EleutherAI/pythia-1.4b")]
    [InlineData("pythia-1.4b-deduped")]
    [InlineData("EleutherAI/pythia-1.4b-deduped")]
    [InlineData("eleutherai/Pythia-1.4B")]
    public void Owner_and_deduped_change_no_shape(string name) => Assert.Same(PythiaLadder.Find("pythia-1.4b"), PythiaLadder.Find(name));

    [Theory]
    [InlineData("pythia-1.3b")]
    [InlineData("somebody/pythia-70m")]
    [InlineData("")]
    public void Other_names_have_no_shape(string name) => Assert.Null(PythiaLadder.Find(name));

    [Fact]
    public void The_tensors_of_a_shape_are_those_its_model_reads()
    {
        using var weights = Some.Weights(Some.Config()); // written down by hand there
        Assert.Equal(weights.Names.ToDictionary(n => n, n => string.Join(",", weights.Shape(n))),
            ModelTensors.Of(Some.Config()).ToDictionary(t => t.Name, t => string.Join(",", t.Shape)));
    }
}
