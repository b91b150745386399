using System.Text.Json;
using Parsimony.Cli.Runs;
using Parsimony.FineTuning;
using Parsimony.FineTuning.Policy;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tokens;
using Xunit;
using static Parsimony.Tests.Cli.CliRun;
using static TorchSharp.torch;

namespace Parsimony.Tests.Cli;

/// <summary>What --plan says of learning through a model: finetune, dpo, rlhf, reward-model.</summary>
public sealed class LearningPlanTests : IDisposable
{
    private const int DSae = 24;
    private readonly TemporaryFolder folder = new();
    private readonly string model, sae, text, pairs, prompts, words, labelled;

    public LearningPlanTests()
    {
        model = SomeFolder.Model(folder.File("model"));
        sae = SomeFolder.Sae(folder.File("sae"), model, DSae);
        (text, pairs, prompts, words, labelled) = (folder.File("text.txt"), folder.File("pairs.jsonl"), folder.File("prompts.txt"), folder.File("words.txt"), folder.File("labelled.jsonl"));
        File.WriteAllText(text, string.Concat(Enumerable.Range(0, 60).Select(i => $"The {i}th hen laid {i * 7 % 13} eggs.\n")));
        File.WriteAllLines(pairs, Enumerable.Range(0, 20).Select(i => JsonSerializer.Serialize(new { prompt = $"The {i}th hen", chosen = " laid eggs", rejected = " SLEPT" })));
        File.WriteAllLines(prompts, Enumerable.Range(0, 10).Select(i => $"The {i}th hen"));
        File.WriteAllLines(words, "abcdefghijklmnopqrstuvwxyz".Select(c => c.ToString()));
        File.WriteAllLines(labelled, Enumerable.Range(0, 60).Select(i => JsonSerializer.Serialize(new { text = $"{i} hens {(i % 2 == 0 ? "sang" : "ran")}", label = i % 2 == 0 ? "good" : "bad" })));
    }

    public void Dispose() => folder.Dispose();

    private string[] Dpo(params string[] more) => ["dpo", sae, "--model", model, "--data", pairs, "--steps", "6", "--batch-size", "4", "--out", folder.File("run"), "--plan", .. more];

    private string[] Rlhf(params string[] more) => ["rlhf", sae, "--model", model, "--prompts", prompts, "--lexicon", words, "--steps", "3", "--batch-size", "8", "--max-new-tokens", "6",
        "--continuations", "24", "--held-out", text, "--out", folder.File("run"), "--plan", .. more];

    private string[] Reward(string data, params string[] more) => ["reward-model", "--data", data, "--model", model, "--out", folder.File("run"), "--batch-size", "8", "--plan", .. more];

    private static long Bytes(JsonElement plan, string what) => plan.GetProperty("memory").GetProperty(what).GetInt64();

    /// <summary>A plan of which all hold, and behind which the folder is as it was.</summary>
    private JsonElement Planned(string[] command)
    {
        string[] before = Directory.GetFileSystemEntries(folder.Path, "*", SearchOption.AllDirectories);
        var plan = Json([.. command, "--json"]);
        Assert.Equal(before, Directory.GetFileSystemEntries(folder.Path, "*", SearchOption.AllDirectories));
        Assert.Equal(plan.GetProperty("memory").EnumerateObject().Sum(p => p.Value.GetInt64()), plan.GetProperty("memory_bytes").GetInt64());
        Assert.All(plan.GetProperty("memory").EnumerateObject(), p => Assert.True(p.Value.GetInt64() >= 0, p.Name));
        Assert.True(plan.GetProperty("training_seconds").GetDouble() >= 0 && plan.GetProperty("training_measured_on").GetString()!.Length > 0);
        Assert.Equal(0, plan.GetProperty("absent").GetArrayLength());
        return plan;
    }

    [Fact]
    public void A_plan_of_pairs_has_the_states_that_are_kept_and_the_tokens_of_its_steps()
    {
        var plan = Planned(Dpo());
        using var loaded = Transformer.Load(model);
        var set = PreferencePairs.Load(pairs, Tokenizer.Load(model), new PreferenceOptions { SequenceLength = 64 }).Pairs;
        using var prefixes = new PrefixCache(loaded, HookPoint.Parse("blocks.1.mlp_out"), long.MaxValue);
        foreach (var pair in set)
            foreach (var example in (SftExample[])[pair.ChosenExample, pair.RejectedExample]) prefixes.Batch([example.Tokens]).Dispose();
        Assert.Equal(prefixes.BytesKept, Bytes(plan, "states below the hook"));
        Assert.Equal(2L * set.Count * sizeof(float), Bytes(plan, "the reference's scores"));
        Assert.Equal(4L * 2 * DSae * sizeof(float), Bytes(plan, "what is learned and its optimiser"));
        Assert.Equal(sizeof(float) * (2L * 16 * DSae + DSae + 16), Bytes(plan, "SAE"));
        int longest = set.Max(p => p.LongestTokens);
        Assert.InRange(plan.GetProperty("tokens").GetInt64(), 6 * 2 * 4 * (longest - 1), 6 * 2 * 4 * longest); // all prompts but ten are the longest
        Assert.True(plan.GetProperty("memory").TryGetProperty("2 layers' passes, kept for backward", out _));
        Assert.True(Planned(Dpo("--recompute", "true")).GetProperty("memory").TryGetProperty("one layer's pass, run again backward", out var again)
            && again.GetInt64() < Bytes(plan, "2 layers' passes, kept for backward"));
        Assert.Equal(0, Bytes(Planned(Dpo("--loss", "sim_po")), "the reference's scores"));
    }

    [Fact]
    public void A_plan_of_rewards_has_the_cache_and_the_rollout_as_large_as_they_are()
    {
        var plan = Planned(Rlhf());
        var at = HookPoint.Parse("blocks.1.mlp_out");
        using var loaded = Transformer.Load(model);
        using var scope = NewDisposeScope();
        using var own = Parsimony.Autoencoders.SaeFolder.Load(sae).Sae;
        using var adapter = new DialAdapter(loaded, [new(at, own)], new DialOptions());
        var tokenizer = Tokenizer.Load(model);
        var asked = RolloutPrompts.Load(prompts, tokenizer, new RolloutPromptOptions()).Prompts;
        int longest = asked.Max(p => p.Tokens.Length) + 6;
        Assert.Equal(KvCache.Bytes(loaded.Config, 8, longest), Bytes(plan, "KV cache"));

        RolloutPrompt[] rows = [.. Enumerable.Repeat(asked.MaxBy(p => p.Tokens.Length)!, 8)];
        using var rollout = Rollout.Draw(loaded, null, rows, new SamplingOptions { MaxNewTokens = 6, Temperature = 1 }, null);
        using var frozen = new FrozenRollout(loaded, adapter, rollout, 1);
        using var state = loaded.RunTo(at, rollout.Tokens);
        var scores = frozen.Score([[.. Enumerable.Range(0, 8).Select(i => (long)i)]], keepHidden: true);
        Tensor[] all = [rollout.Tokens, rollout.ResponseTokens, rollout.Mask, rollout.SampledLogProbs, scores.LogProbs, scores.ReferenceLogProbs, scores.FullKl, scores.Entropies, scores.ReferenceHidden!];
        Assert.Equal(all.Sum(t => t.numel() * t.ElementSize) + state.Bytes, Bytes(plan, "rollout"));

        Assert.Equal(4L * (16 + 1) * sizeof(float), Bytes(plan, "value head"));
        var grpo = Planned(Rlhf("--algorithm", "grpo"));
        Assert.False(grpo.GetProperty("memory").TryGetProperty("value head", out _));
        Assert.Equal(8L * 6 * 16 * sizeof(float), Bytes(plan, "rollout") - Bytes(grpo, "rollout")); // the critic's hidden states
        Assert.InRange(plan.GetProperty("tokens").GetInt64(), 3 * 8 * (longest - 1), 3 * 8 * longest);
    }

    [Theory]
    [InlineData("lora", DSae * 2)]
    [InlineData("random_dictionary", DSae * 2)]
    [InlineData("steering", 16)]
    public void Baselines_are_planned_by_their_own_size_and_place(string method, int parameters)
    {
        foreach (string[] command in (string[][])[Dpo("--method", method), Rlhf("--method", method), ["finetune", sae, "--model", model, "--data", text, "--sequence-length", "32", "--steps", "4",
            "--out", folder.File("run"), "--plan", "--method", method]])
        {
            var plan = Planned(command);
            long learnt = Bytes(plan, "what is learned and its optimiser");
            Assert.InRange(learnt, 4L * parameters * sizeof(float) / 2, 2 * 4L * parameters * sizeof(float));
            Assert.Equal(method is "random_dictionary" ? 1 : 0, Math.Sign(Bytes(plan, "the SAE's pass")));
        }
    }

    [Fact]
    public void What_learns_nothing_is_planned_without_steps()
    {
        var plan = Planned(Rlhf("--decoding", "clamp", "--clamp-latent", "5"));
        Assert.Equal((0, 0), (plan.GetProperty("tokens").GetInt64(), plan.GetProperty("disk_bytes").GetInt64()));
        Assert.False(plan.GetProperty("memory").TryGetProperty("what is learned and its optimiser", out _));
        Planned(Rlhf("--decoding", "best_of_n"));
    }

    [Fact]
    public void A_plan_of_a_reward_model_runs_no_deeper_than_it_reads()
    {
        var whole = Planned(Reward(pairs));
        Assert.Equal(40L * 16 * sizeof(float), Bytes(whole, "what was read of the texts"));       // 20 pairs
        Assert.Equal(4L * (16 + 1) * sizeof(float), Bytes(whole, "what is learned and its optimiser"));
        var shallow = Planned(Reward(labelled, "--hook", "blocks.0.resid_post", "--text-cache", "640"));
        Assert.Equal(3 * Bytes(shallow, "1 layers in fp32"), Bytes(whole, "3 layers in fp32"));
        Assert.Equal(640, Bytes(shallow, "what was read of the texts"));
        Assert.Equal(2 * 4L * (16 + 1) * sizeof(float), Bytes(shallow, "what is learned and its optimiser")); // a row for each class
        Assert.Equal(4L * (DSae + 1) * sizeof(float), Bytes(Planned(Reward(pairs, "--sae", sae)), "what is learned and its optimiser"));
    }

    [Fact]
    public void People_see_the_same_table_and_nothing_that_is_refused()
    {
        var (code, said, error) = Invoke(CancellationToken.None, Rlhf());
        Assert.True(code == 0, error);
        foreach (string row in (string[])["memory, KV cache", "memory, rollout", "memory, value head", "memory in all", "disk", "time, RLHF"]) Assert.Contains(row, said, StringComparison.Ordinal);
        Assert.DoesNotContain("it will be refused", said, StringComparison.Ordinal);
    }
}
