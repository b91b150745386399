using System.Text.Json;
using Parsimony.Cli;
using Parsimony.Explorer.Comparing;
using Parsimony.Explorer.Model;
using Parsimony.Explorer.Runs;
using Parsimony.Models;
using Xunit;

namespace Parsimony.Explorer.Tests;

/// <summary>What two sides write, and why.</summary>
public sealed class CompareLawTests(DemoRun run)
{
    private const string Prompt = "One morning the little fox";
    private const int Tokens = 16;

    private string Adapter => run.Explored.Run.Files.Adapters()[^1].Name;

    private async Task<List<WrittenToken>[]> Write(FeatureEdits[] sides, long seed = 5, int most = Tokens)
    {
        var bench = await run.Explored.Bench();
        var all = sides.Select(_ => new List<WrittenToken>()).ToArray();
        var sampling = new SamplingOptions { MaxNewTokens = most, Seed = seed };
        await foreach (var token in TextStream.Write(run.Explored.Queue, "laws", bench, bench.Tokenizer.EncodePrompt(Prompt), sides, sampling)) all[token.Side].Add(token with { Side = 0 });
        return all;
    }

    private int[] Moved() => [.. AdapterValues.Read(run.Explored.Run, Adapter).Changed];

    [Fact]
    public async Task At_weight_zero_and_with_every_moved_latent_off_a_side_writes_what_rest_and_the_plain_model_write()
    {
        var learned = new FeatureEdits { Adapter = Adapter };
        var written = await Write([FeatureEdits.None, GenerationRequest.AtRest(learned), learned with { Weight = 0, Off = new HashSet<int> { 1, 2 } }, learned with { Off = Moved().ToHashSet() }, learned]);
        Assert.Equal(Tokens, written[0].Count);
        Assert.Equal(written[0], written[1]);
        Assert.Equal(written[1], written[2]);
        Assert.Equal(written[1], written[3]);
        Assert.NotEqual(written[1][0].LogProb, written[4][0].LogProb);
    }

    [Fact]
    public async Task With_its_own_dials_a_side_writes_what_the_command_line_writes_token_for_token()
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        string folder = run.Explored.Run.Files.Adapters()[^1].Folder;
        int rc = App.Run(["generate", Prompt, "--adapter", folder, "--sae", run.Explored.Run.Files.Sae, "--max-new-tokens", $"{Tokens}", "--seed", "5", "--json"], output, error);
        Assert.True(rc == 0, error.ToString());
        using var json = JsonDocument.Parse(output.ToString());
        int[] theirs = [.. json.RootElement.GetProperty("continuations")[0].GetProperty("tokens").EnumerateArray().Select(t => t.GetInt32())];
        var mine = await Write([GenerationRequest.AtRest(new() { Adapter = Adapter }), new() { Adapter = Adapter }]);
        Assert.Equal(theirs, mine[1].Select(t => t.Id));
    }

    [Fact]
    public async Task The_contributions_of_a_tokens_latents_sum_to_the_change_of_its_logit_within_the_stated_error()
    {
        var bench = await run.Explored.Bench();
        int[] prompt = bench.Tokenizer.EncodePrompt(Prompt);
        foreach (double weight in (double[])[0.25, 1])
            foreach (int token in (int[])[prompt[0], prompt[2]])
            {
                var edits = new FeatureEdits { Adapter = Adapter, Weight = weight };
                var why = await run.Explored.Ask("laws", b => TokenContributions.Of(b, edits, prompt, prompt.Length, token));
                Assert.InRange(Math.Abs(why.Sum - why.Change), 0, (weight < 1 ? 0.03 : 0.3) * Math.Abs(why.Change) + 0.003);
                var listed = why.Largest.Sum(one => one.Value);
                var all = await run.Explored.Ask("laws", b => TokenContributions.Of(b, edits, prompt, prompt.Length, token, int.MaxValue));
                Assert.Equal(all.Contributing, all.Largest.Count);
                Assert.Equal(why.Sum, all.Largest.Sum(one => one.Value), 1e-4);
                Assert.Equal(listed, all.Largest.Take(why.Largest.Count).Sum(one => one.Value), 1e-6);

                // The change it names is the difference of two whole passes of the model, one with the edits and one without.
                var (rest, tuned) = await run.Explored.Ask("laws", b => (LogProb(b, GenerationRequest.AtRest(edits)), LogProb(b, edits)));
                Assert.Equal(rest, why.RestLogProb, 1e-3);
                Assert.Equal(tuned, why.TunedLogProb, 1e-3);

                double LogProb(Workbench b, FeatureEdits e)
                {
                    using var edited = b.Edited(e);
                    return b.Model.Forward(TorchSharp.torch.tensor(prompt.Select(id => (long)id).ToArray()).unsqueeze(0), edited.Tap())[0, -1].log_softmax(-1)[token].item<float>();
                }
            }
    }

    [Fact]
    public async Task One_latents_contribution_is_what_is_left_when_all_others_are_off()
    {
        var bench = await run.Explored.Bench();
        int[] prompt = bench.Tokenizer.EncodePrompt(Prompt);
        var edits = new FeatureEdits { Adapter = Adapter, Weight = 0.25 };
        var why = await run.Explored.Ask("laws", b => TokenContributions.Of(b, edits, prompt, prompt.Length, prompt[1]));
        int strongest = why.Largest[0].Latent;
        var alone = await run.Explored.Ask("laws", b => TokenContributions.Of(b, edits with { Off = Moved().Where(i => i != strongest).ToHashSet() }, prompt, prompt.Length, prompt[1]));
        Assert.Equal(strongest, Assert.Single(alone.Largest).Latent);
        Assert.Equal(alone.Sum, alone.Change, 0.03 * Math.Abs(alone.Change) + 1e-3);
        Assert.Equal(why.Largest[0].Value, alone.Sum, 0.2 * Math.Abs(alone.Sum) + 1e-3);
    }

    [Fact]
    public async Task Who_stops_listening_stops_the_writing_and_the_queue_empties()
    {
        var bench = await run.Explored.Bench();
        int seen = 0;
        await foreach (var _ in TextStream.Write(run.Explored.Queue, "leaver", bench, bench.Tokenizer.EncodePrompt(Prompt), [FeatureEdits.None, new() { Adapter = Adapter }],
            new SamplingOptions { MaxNewTokens = 200, StopAtEndOfText = false })) if (++seen == 3) break;
        for (int i = 0; i < 4; i++) await run.Explored.Queue.Run("probe", () => 0); // of a hundred turns that were left the first has come, and was not taken
        Assert.Equal(0, run.Explored.Queue.CountOf("leaver"));
    }
}
