using System.CommandLine;
using System.ComponentModel;
using System.Text.Json.Serialization;
using Parsimony.Cli;
using Parsimony.Files;
using Parsimony.Models;
using Xunit;

namespace Parsimony.Tests.Cli;

public sealed class OptionBinderTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("parsimony-test-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    internal enum Constraint { Renormalise, ProjectAndRenormalise }

    internal sealed record Training
    {
        [Description("Adam's step size")]
        public double LearningRate { get; init; } = 1e-4;
        public long Seed { get; init; }
        public Constraint DecoderConstraint { get; init; }
        public int? DSae { get; init; }
        public int Steps { get; init; }
        public int LogEvery { get; init; }

        [JsonIgnore]
        public bool IsFast => LearningRate > 1;

        public Training Validated() => LearningRate > 0 ? this : throw new ArgumentException($"learning_rate is {LearningRate}; it must be above 0.");
    }

    internal sealed record Config
    {
        [Positional]
        [Description("model folder")]
        public required string Model { get; init; }
        public string? Out { get; init; } = "runs";
        public HookPoint Hook { get; init; } = new(1, HookSite.MlpOut);
        public long Seed { get; init; }
        public int LogEvery { get; init; }
        public bool Shuffle { get; init; } = true;
        public int[] Latents { get; init; } = [];
        public Training Training { get; init; } = new() { DSae = 64 };
    }

    [Fact]
    public void Without_flags_the_record_keeps_its_own_defaults() =>
        Assert.Equal(Json.Write(new Config { Model = "m" }), Json.Write(Bind("m")));

    [Fact]
    public void Flags_set_properties_at_any_depth()
    {
        var config = Bind("m", "--learning-rate", "0.01", "--decoder-constraint", "project-and-renormalise", "--d-sae", "1e3",
            "--hook", "blocks.3.resid_post", "--shuffle", "false", "--latents", "1", "2");
        Assert.Equal((0.01, Constraint.ProjectAndRenormalise, 1000, new HookPoint(3, HookSite.ResidPost), false),
            (config.Training.LearningRate, config.Training.DecoderConstraint, config.Training.DSae, config.Hook, config.Shuffle));
        Assert.Equal([1, 2], config.Latents);
        Assert.Equal((null, null), (Bind("m", "--out", "none").Out, Bind("m", "--d-sae", "none").Training.DSae));
    }

    [Fact]
    public void There_is_one_seed_and_other_shared_names_tell_their_record()
    {
        var config = Bind("m", "--seed", "7", "--steps", "3", "--training-log-every", "4", "--log-every", "5");
        Assert.Equal((7, 7, 3, 4, 5), (config.Seed, config.Training.Seed, config.Training.Steps, config.Training.LogEvery, config.LogEvery));
    }

    [Fact]
    public void A_flag_wins_over_the_file_and_the_file_over_the_default()
    {
        string path = ConfigFile("""{"model": "m", "training": {"learning_rate": 0.5, "decoder_constraint": "project_and_renormalise"}}""");
        var config = Bind("--config", path, "--learning-rate", "0.25");
        Assert.Equal(("m", 0.25, Constraint.ProjectAndRenormalise, 64),
            (config.Model, config.Training.LearningRate, config.Training.DecoderConstraint, config.Training.DSae));
    }

    [Fact]
    public void The_record_written_out_is_a_config_file() =>
        Assert.Equal(Json.Write(Bind("m", "--d-sae", "none")), Json.Write(Bind("--config", ConfigFile(Json.Write(Bind("m", "--d-sae", "none"))))));

    [Theory]
    [InlineData("--d-sae is '1.5'; expected a whole number.", "m", "--d-sae", "1.5")]
    [InlineData("--d-sae is '9999999999'; expected a whole number.", "m", "--d-sae", "9999999999")]
    [InlineData("--learning-rate is 'fast'; expected a number.", "m", "--learning-rate", "fast")]
    [InlineData("--decoder-constraint is 'none'; expected one of renormalise, project_and_renormalise.", "m", "--decoder-constraint", "none")]
    [InlineData("options: hook: 'layer1' is not a hook point. Write blocks.<layer>.<site>; sites: resid_pre, attn_in, attn_qkv, attn_z, attn_out, mlp_in, mlp_pre, mlp_post, mlp_out, resid_post.",
        "m", "--hook", "layer1")]
    [InlineData("learning_rate is -1; it must be above 0.", "m", "--learning-rate", "-1")]
    [InlineData("MODEL must be given, on the command line or as a key of a --config file.", "--seed", "1")]
    public void A_wrong_value_is_one_sentence(string message, params string[] args) =>
        Assert.Equal(message, Assert.Throws<UsageException>(() => Bind(args)).Message);

    [Fact]
    public void An_unknown_key_of_the_file_is_named_with_the_closest_one()
    {
        string path = ConfigFile("""{"model": "m", "training": {"learning_rat": 1}}""");
        Assert.Equal($"{path}: training: 'learning_rat' is not a key here. Did you mean 'learning_rate'? Allowed: d_sae, decoder_constraint, learning_rate, log_every, seed, steps.",
            Assert.Throws<UsageException>(() => Bind("--config", path)).Message);
    }

    private string ConfigFile(string json)
    {
        string path = Path.Combine(folder, $"config{Directory.GetFiles(folder).Length}.json");
        File.WriteAllText(path, json);
        return path;
    }

    private static Config Bind(params string[] args)
    {
        Config? bound = null;
        var command = CliCommand.Create<Config>("test", "", (config, _) => bound = config, [], needsTorch: false);
        var terminal = new Terminal(TextWriter.Null, TextWriter.Null, false, default);
        var parse = new RootCommand { command }.Parse(["test", .. args]);
        Assert.Empty(parse.Errors);
        parse.Invoke(new CommandInvocation(terminal));
        return bound!;
    }
}
