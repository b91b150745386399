using System.CommandLine;
using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json.Serialization;
using Parsimony.Cli.Runs;
using Parsimony.Models;
using Parsimony.Native;
using Parsimony.Splicing;
using Parsimony.Tokens;

namespace Parsimony.Cli.Commands;

/// <summary><c>parsimony generate PROMPTS</c>: continues texts.</summary>
internal static class GenerateCommand
{
    private sealed record Options
    {
        [Positional]
        [Description("texts to continue; without any the model starts from its end-of-text token")]
        public string[] Prompts { get; init; } = [];

        [Description("model folder [default: the run folder's, else the bundled model]")]
        public string? Model { get; init; }

        [Description("SAE folder, or a run folder with its adapter: generate with the SAE put into the model")]
        public string? Sae { get; init; }

        [Description("adapter folder: with the dials learned on that SAE, or on the SAEs it names, or with a baseline")]
        public string? Adapter { get; init; }

        [Description("also generate with the dials at rest, by the same seed, and print both sides")]
        public bool Compare { get; init; }

        [Description("how the SAE is put in [default: as the adapter says, else replace]")]
        public SpliceMode? Mode { get; init; }

        [Description(DeviceOption.Text)]
        public string Device { get; init; } = TorchDevice.Cpu;

        public WeightOptions Load { get; init; } = new();

        public SamplingOptions Sampling { get; init; } = new();

        public Options Validated()
        {
            DeviceOption.Ensure(Device);
            return this;
        }
    }

    private sealed record Continuation(string Prompt, string Text, int[] Tokens)
    {
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public string? Before { get; init; }
    }

    private sealed record Result
    {
        public required string Model { get; init; }
        public required string? ModelSha256 { get; init; }
        public required SamplingOptions Sampling { get; init; }
        public required Continuation[] Continuations { get; init; }
        public required double TokensPerSecond { get; init; }
    }

    /// <summary>The command.</summary>
    public static Command Create() => CliCommand.Create<Options>("generate", "Continues texts with a model.", Run,
        [
            "parsimony generate \"Once upon a time\" --max-new-tokens 100", "parsimony generate \"The cat\" --sae runs/demo --temperature 0",
            "parsimony generate \"The wolf\" --adapter runs/demo/rlhf/adapter --compare",
        ]);

    private static Result Run(Options options, Terminal terminal)
    {
        using var fused = FusedModel.Open(options.Model, options.Sae, options.Adapter, options.Mode, options.Load, options.Device);
        terminal.Note(fused.Notes);
        var tokenizer = fused.Tokenizer;
        string[] prompts = options.Prompts is [] ? [""] : options.Prompts;
        int[][] ids = [.. prompts.Select(tokenizer.EncodePrompt)];

        if (options.Compare && !fused.HasAdapter) throw new UsageException("--compare needs an adapter: there is nothing to put at rest.");
        int[][]? before = options.Compare ? Batched(fused, ids, options.Sampling, terminal, atRest: true) : null;
        long started = Stopwatch.GetTimestamp();
        int[][] tokens = prompts.Length == 1 && !terminal.Json && !options.Compare
            ? Streamed(fused, prompts[0], ids, options.Sampling, terminal)
            : Batched(fused, ids, options.Sampling, terminal);
        double seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;

        var texts = prompts.Select((prompt, i) => new Continuation(prompt, Text(tokenizer, tokens[i]), tokens[i]) { Before = before is null ? null : Text(tokenizer, before[i]) }).ToArray();
        foreach (var text in texts)
        {
            if (options.Compare) terminal.Say($"{text.Prompt}\n  at rest:    {OnOneLine(text.Before!)}\n  {(fused.HasDials ? "with dials: " : "adapted:    ")}{OnOneLine(text.Text)}\n");
            else if (prompts.Length > 1) terminal.Say(text.Prompt + text.Text + Environment.NewLine);
        }
        return new Result
        {
            Model = fused.Model.Folder!,
            ModelSha256 = fused.Model.Sha256,
            Sampling = options.Sampling,
            Continuations = texts,
            TokensPerSecond = Math.Round(tokens.Sum(t => t.Length) / seconds, 1),
        };
    }

    private static int[][] Streamed(FusedModel fused, string prompt, int[][] ids, SamplingOptions sampling, Terminal terminal)
    {
        var decoder = new StreamingDecoder(fused.Tokenizer);
        terminal.SayPart(prompt);
        int[][] tokens = fused.Generate(ids, sampling, id => terminal.SayPart(id == fused.Tokenizer.EndOfTextId ? "" : decoder.Push(id)),
            terminal.Interrupted);
        terminal.Say(decoder.Flush());
        return tokens;
    }

    private static int[][] Batched(FusedModel fused, int[][] ids, SamplingOptions sampling, Terminal terminal, bool atRest = false)
    {
        int done = 0;
        using var progress = terminal.Progress("generate", (long)sampling.MaxNewTokens * ids.Length, "tokens");
        return fused.Generate(ids, sampling, _ => progress.Report(++done), terminal.Interrupted, atRest);
    }

    private static string OnOneLine(string text) => text.ReplaceLineEndings(" ").Trim();

    /// <summary>A row as text, without the end-of-text token it may end in.</summary>
    public static string Text(Tokenizer tokenizer, int[] row) =>
        tokenizer.Decode(row is [.., var last] && last == tokenizer.EndOfTextId ? row[..^1] : row);
}
