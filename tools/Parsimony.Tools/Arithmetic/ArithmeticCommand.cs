using System.CommandLine;
using System.Text.Json;
using Parsimony.Files;
using Parsimony.Tools.Corpus;

namespace Parsimony.Tools.Arithmetic;

/// <summary><c>arithmetic</c>: questions like those the article fine-tuned on, where EleutherAI/arithmetic itself cannot be fetched.</summary>
internal static class ArithmeticCommand
{
    public static Command Make()
    {
        var output = new Option<string>("--out") { Description = "file of JSON lines with \"context\" and \"completion\"", Required = true };
        var count = BookOptions.Number("--count", 20_000, "of questions");
        var seed = BookOptions.Number("--seed", 0, "of the questions");
        var command = new Command("arithmetic", "Write questions in the form of EleutherAI/arithmetic.") { output, count, seed };
        command.SetAction(parsed =>
        {
            int wanted = parsed.GetValue(count);
            if (wanted < 1) throw new ArgumentException($"--count is {wanted}; expected 1 or more.");
            AtomicFile.WriteText(parsed.GetValue(output)!, string.Concat(ArithmeticQuestions.Draw(wanted, parsed.GetValue(seed))
                .Select(q => JsonSerializer.Serialize(new { context = q.Context, completion = q.Completion, text = q.Context + q.Completion }) + "\n")));
            Console.WriteLine($"{wanted} questions -> {parsed.GetValue(output)}");
        });
        return command;
    }
}
