using Xunit;

namespace Parsimony.Tests;

/// <summary>The README's sample is the code between the marks below, and it runs.</summary>
public sealed class ReadmeSampleTests
{
    private const string Begin = "// sample begins", End = "// sample ends";

    [Fact]
    public void The_sample_in_the_README_runs()
    {
        double recovered = Sample(Path.Combine(Shared.RepositoryRoot(), "assets", "demo"));
        Assert.InRange(recovered, -100, 1); // an SAE of 20 steps is useless, but it is measured
    }

    [Fact]
    public void The_README_shows_this_very_code()
    {
        string source = File.ReadAllText(Path.Combine(Shared.RepositoryRoot(), "tests", "Parsimony.Tests", "ReadmeSampleTests.cs"));
        string body = source[(source.IndexOf("        " + Begin, StringComparison.Ordinal) + Begin.Length + 9)..source.IndexOf("        " + End, StringComparison.Ordinal)];
        string sample = string.Join('\n', body.TrimEnd().Split('\n').Select(line => line.Length > 8 ? line[8..] : ""));
        Assert.Contains(sample, File.ReadAllText(Path.Combine(Shared.RepositoryRoot(), "README.md")), StringComparison.Ordinal);
    }

    private static double Sample(string folder)
    {
        // sample begins
        using var model = Parsimony.Models.Transformer.Load(folder);
        var tokenizer = Parsimony.Tokens.Tokenizer.Load(folder);
        var contexts = Parsimony.Tokens.ContextPacker.PackFile($"{folder}/stories.txt", tokenizer, sequenceLength: 128, limit: 16);
        var hook = Parsimony.Models.HookPoint.Parse("blocks.1.mlp_out");

        using var activations = new Parsimony.Activations.ActivationBuffer(model, hook, contexts, new() { BatchTokens = 256 });
        using var trainer = new Parsimony.Training.SaeTrainer(new() { TrainingTokens = 20 * 256, ExpansionFactor = 4 }, activations, hook);
        using var trained = trainer.Train();

        var report = Parsimony.Evaluation.SpliceEvaluation.Run(model, hook, trained.Sae, contexts);
        Console.WriteLine($"plain {report.CeClean:0.00}, spliced {report.CeSpliced:0.00}, recovered {report.CeLossRecovered:0.00}");
        // sample ends
        return report.CeLossRecovered;
    }
}
