using Parsimony.Files;
using Xunit;

namespace Parsimony.Tests.Files;

public sealed class JsonTests
{
    private enum Kind { Plain, ProjectAndRenormalise }

    private sealed record Inner { public int MaxSteps { get; init; } = 1; }

    private sealed record Config
    {
        public required string Model { get; init; }
        public double L1Coefficient { get; init; } = 0.5;
        public Kind DecoderConstraint { get; init; }
        public int? DSae { get; init; }
        public Inner Inner { get; init; } = new();
    }

    [Fact]
    public void Names_are_snake_case_and_values_survive()
    {
        var config = new Config { Model = "<|é|>", L1Coefficient = double.NaN, DecoderConstraint = Kind.ProjectAndRenormalise, DSae = 3 };
        string json = Json.Write(config);
        Assert.Contains("\"decoder_constraint\": \"project_and_renormalise\"", json, StringComparison.Ordinal);
        Assert.Contains("\"l1_coefficient\": \"NaN\"", json, StringComparison.Ordinal);
        Assert.Contains("\"model\": \"<|é|>\"", json, StringComparison.Ordinal);
        Assert.Equal(config, Json.Parse<Config>(json, "config"));
        Assert.DoesNotContain('\n', Json.WriteLine(config));
    }

    [Theory]
    [InlineData("""{"model":"m","l1_coeficient":1}""",
        "c.json: 'l1_coeficient' is not a key here. Did you mean 'l1_coefficient'? Allowed: d_sae, decoder_constraint, inner, l1_coefficient, model.")]
    [InlineData("""{"model":"m","zzzzzzzz":1}""", "c.json: 'zzzzzzzz' is not a key here. Allowed: d_sae, decoder_constraint, inner, l1_coefficient, model.")]
    [InlineData("""{"model":"m","inner":{"max_step":1}}""", "c.json: inner: 'max_step' is not a key here. Did you mean 'max_steps'? Allowed: max_steps.")]
    [InlineData("{}", "c.json: model must be given.")]
    [InlineData("""{"model":"m","d_sae":1.5}""", "c.json: d_sae is 1.5; expected a whole number.")]
    [InlineData("""{"model":"m","decoder_constraint":"none"}""", "c.json: decoder_constraint is \"none\"; expected one of plain, project_and_renormalise.")]
    [InlineData("""{"model":"m","inner":{"max_steps":"x"}}""", "c.json: inner.max_steps is \"x\"; expected a whole number.")]
    [InlineData("[]", "c.json does not hold a JSON object {...}.")]
    public void What_departs_from_the_record_is_one_sentence(string json, string message) =>
        Assert.Equal(message, Assert.Throws<InvalidDataException>(() => Json.Parse<Config>(json, "c.json")).Message);

    [Theory]
    [InlineData("{\n\"model\": }", "c.json is not valid JSON (line 2): ")]
    [InlineData("{\"model\": \"m\", \"model\": \"n\"}", "c.json is not valid JSON: Duplicate property 'model'")]
    public void Broken_json_says_where(string json, string message) =>
        Assert.StartsWith(message, Assert.Throws<InvalidDataException>(() => Json.Parse<Config>(json, "c.json")).Message, StringComparison.Ordinal);
}
