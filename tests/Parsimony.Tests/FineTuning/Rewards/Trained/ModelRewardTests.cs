using Parsimony.FineTuning.Rewards;
using Parsimony.FineTuning.Rewards.Trained;
using Parsimony.Models;
using Parsimony.Tests.Tokens;
using Parsimony.Tokens;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Rewards.Trained;

public sealed class ModelRewardTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly string modelFolder;
    private readonly Transformer model;
    private readonly Tokenizer tokenizer;

    public ModelRewardTests()
    {
        modelFolder = SomeFolder.Model(folder.File("model"));
        (model, tokenizer) = (Transformer.Load(modelFolder), Tokenizer.Load(modelFolder));
    }

    private RewardHeadConfig Config(params string[] classes) => new()
    {
        BaseModelName = "some",
        BaseModelFolder = modelFolder,
        BaseModelSha256 = model.Sha256!,
        Classes = classes,
        ReadsPrompt = classes.Length == 0,
        SequenceLength = 16,
        Gain = [.. Enumerable.Repeat(2.0, Math.Max(1, classes.Length))],
        Offset = [.. Enumerable.Repeat(0.25, Math.Max(1, classes.Length))],
        Results = new Dictionary<string, double> { ["held_out_accuracy"] = 0.75 },
    };

    private string Save(RewardHeadConfig config, string name = "reward", Action<RewardHead>? change = null)
    {
        using var head = RewardHead.Create(Math.Max(1, config.Classes.Count), 16, RewardHeadBirth.Normal, 4);
        using (no_grad()) change?.Invoke(head);
        RewardHeadFolder.Save(folder.File(name), head, config);
        return folder.File(name);
    }

    private RewardText Says(string text, string prompt = "") => new(tokenizer, prompt, [.. tokenizer.Encode(text), 0]);

    /// <summary>What the head gives for ids, by hand.</summary>
    private double Value(string path, params int[] ids)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var (head, config) = RewardHeadFolder.Load(path);
        using (head)
        {
            var h = model.FinalNorm(model.Activations(HookPoint.Parse("blocks.2.resid_post"), tensor(ids.Select(i => (long)i).ToArray()).unsqueeze(0))[0][^1]);
            return config.Gain[0] * (head.Weight.matmul(h) + head.Bias)[0].item<float>() + config.Offset[0];
        }
    }

    [Fact]
    public void A_head_is_written_with_what_it_belongs_to_and_read_back()
    {
        var config = Config("bad", "good") with { Hook = HookPoint.Parse("blocks.1.resid_post"), Pooling = RewardPooling.Mean, Latents = [new(3, "good", 0.5, 2)] };
        string path = Save(config);
        var (head, read) = RewardHeadFolder.Load(path);
        using (head)
        {
            using var same = RewardHead.Create(2, 16, RewardHeadBirth.Normal, 4);
            Assert.True(head.Weight.SameBits(same.Weight) && head.Bias.SameBits(same.Bias));
        }
        Assert.Equal(Parsimony.Files.Json.Write(config), Parsimony.Files.Json.Write(read));
        string card = File.ReadAllText(Path.Combine(path, "README.md"));
        foreach (string part in (string[])["# Classifier on some", model.Sha256!, "bad, good", "held out accuracy | 0.75", "| 3 | good | 0.5 | 2 | 1 |"]) Assert.Contains(part, card, StringComparison.Ordinal);
        Directory.CreateDirectory(folder.File("run"));
        Directory.Move(path, Path.Combine(folder.File("run"), RewardHeadFolder.InRunFolder));
        RewardHeadFolder.Load(folder.File("run")).Head.Dispose();     // a run folder knows its own
    }

    [Fact]
    public void A_damaged_folder_is_named()
    {
        Assert.Contains("holds no reward_config.json", Assert.Throws<FileNotFoundException>(() => RewardHeadFolder.Load(folder.File("none"))).Message, StringComparison.Ordinal);
        string path = Save(Config(), change: head => head.Weight.fill_(float.NaN));
        Assert.Contains("has numbers that are not finite", Assert.Throws<InvalidDataException>(() => RewardHeadFolder.Load(path)).Message, StringComparison.Ordinal);
        string file = Path.Combine(Save(Config(), "other"), "reward_config.json");
        File.WriteAllText(file, File.ReadAllText(file).Replace("\"classes\": []", "\"classes\": [\"a\", \"b\"]", StringComparison.Ordinal));
        Assert.Contains("must hold 'weight' [2, width]", Assert.Throws<InvalidDataException>(() => RewardHeadFolder.Load(folder.File("other"))).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => Save(Config() with { Gain = [] }, "third"));
    }

    [Fact]
    public void It_is_one_reward_among_others_and_shares_the_model_at_hand()
    {
        string path = Save(Config());
        var options = new RewardOptions { Model = new() { Path = path, Weight = 3 }, EndOfText = new() { EndedScore = 10 } };
        using var sum = options.Create(model, tokenizer);
        var texts = (RewardText[])[Says("ab", "Q:"), Says("c", "Q:"), Says("", "Q:")];
        var parts = sum.Parts(texts);
        Assert.Equal(["end_of_text", "model"], parts.Select(p => p.Name));
        double[] expected = [Value(path, [.. tokenizer.Encode("Q:ab")]), Value(path, [.. tokenizer.Encode("Q:c")]), Value(path, [.. tokenizer.Encode("Q:")])];
        for (int i = 0; i < 3; i++) Assert.Equal(expected[i], parts[1].Scores[i].Value, 4);
        Assert.Equal(10 + 3 * parts[1].Scores[0].Value, WeightedRewards.Sum(texts, parts)[0].Value, 6);
        Assert.Empty(sum.Warnings);
        Assert.Empty(sum.Parts([])[1].Scores);

        using var alone = new ModelReward(new() { Path = path });         // opens the model's folder itself
        Assert.Equal(parts[1].Scores.Select(s => s.Value), alone.Score(texts).Select(s => s.Value));
        using var blind = new ModelReward(new() { Path = path, ReadPrompt = false }, model, tokenizer);
        Assert.Equal(Value(path, [.. tokenizer.Encode("ab")]), blind.Score(texts)[0].Value, 4);
        Assert.Equal(Value(path, 0), blind.Score([Says("")])[0].Value, 4); // nothing at all: the end of text
    }

    [Fact]
    public void Texts_of_another_tokenizer_are_encoded_by_the_judges_own()
    {
        string path = Save(Config());
        var other = TinyTokenizer.Load();
        using var reward = new ModelReward(new() { Path = path }, model, tokenizer);
        var score = reward.Score([new RewardText(other, "Q:", [.. other.Encode("hello"), 0])])[0];   // hello is one token there, five here
        Assert.Equal(Value(path, [.. tokenizer.Encode("Q:hello")]), score.Value, 4);
    }

    [Fact]
    public void A_classifier_rewards_one_class_by_its_log_odds()
    {
        string path = Save(Config("bad", "good"));
        double Score(string name)
        {
            using var reward = new ModelReward(new() { Path = path, Class = name }, model, tokenizer);
            return reward.Score([Says("ab", "Q:")])[0].Value;
        }
        Assert.Equal(Score("good") - 0.25, -(Score("bad") - 0.25), 5);     // of two classes the log odds are each other's negative
        using var both = new ModelReward(new() { Path = path, Class = "good" }, model, tokenizer);
        Assert.Equal(both.Score([Says("ab")])[0].Value, both.Score([Says("ab", "Q:")])[0].Value, 6);   // learnt without prompts, so it reads none
        Assert.Contains("class is ''; '" + path + "' tells apart 'bad', 'good'", Assert.Throws<ArgumentException>(() => new ModelReward(new() { Path = path })).Message, StringComparison.Ordinal);
        Assert.Contains("is a reward model and has no classes", Assert.Throws<ArgumentException>(
            () => new ModelReward(new() { Path = Save(Config(), "r"), Class = "good" })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void On_another_model_it_is_refused()
    {
        string other = SomeFolder.Model(folder.File("other"));
        byte[] bytes = File.ReadAllBytes(Path.Combine(other, "model.safetensors"));
        bytes[^1] ^= 1;
        File.WriteAllBytes(Path.Combine(other, "model.safetensors"), bytes);
        string path = Save(Config());
        using var reward = new ModelReward(new() { Path = path, BaseModel = other });
        Assert.Contains($"was learnt on model {model.Sha256![..12]} ('some'); this model is", Assert.Throws<InvalidDataException>(() => reward.Score([Says("a")])).Message, StringComparison.Ordinal);
        using var gone = new ModelReward(new() { Path = path, BaseModel = folder.File("nowhere") });
        Assert.Contains("nowhere", Assert.ThrowsAny<IOException>(() => gone.Score([Says("a")])).Message, StringComparison.Ordinal);
        using var different = Transformer.Load(other);
        using var opensItsOwn = new ModelReward(new() { Path = path }, different, tokenizer);         // the model at hand is another: its own is opened
        Assert.Equal(Value(path, [.. tokenizer.Encode("a")]), opensItsOwn.Score([Says("a")])[0].Value, 4);
    }

    [Fact]
    public void What_is_too_long_keeps_the_response_and_is_counted()
    {
        string path = Save(Config());
        using var reward = new ModelReward(new() { Path = path }, model, tokenizer);
        Assert.Equal(Value(path, [.. tokenizer.Encode("t" + new string('x', 15))]), reward.Score([Says(new string('x', 15), "a long prompt")])[0].Value, 4);
        reward.Score([Says("b", "short")]);
        Assert.Equal("reward 'model': 1 of 2 texts were longer than its 16 tokens and lost their beginning.", reward.Warning);
    }

    [Fact]
    public void A_model_kept_in_other_weights_than_it_was_learnt_on_is_said()
    {
        string path = Save(Config());
        using var half = Transformer.Load(modelFolder, storage: WeightStorage.Bf16);
        using var reward = new ModelReward(new() { Path = path }, half, tokenizer);
        reward.Score([Says("b", "short")]);
        Assert.Equal("reward 'model': it was learnt on weights in fp32, and now reads the same in bf16.", reward.Warning);
    }

    [Fact]
    public void A_reward_that_is_not_finite_is_an_error_that_names_it()
    {
        string path = Save(Config(), change: head => head.Weight.fill_(3e38f));
        using var sum = new RewardOptions { Model = new() { Path = path } }.Create(model, tokenizer);
        Assert.Contains("reward 'model' gave", Assert.Throws<InvalidOperationException>(() => sum.Parts([Says("abc")])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Judging_leaves_no_tensor_behind()
    {
        string path = Save(Config());
        void Once()
        {
            using var reward = new ModelReward(new() { Path = path });
            reward.Score([Says("a", "Q:"), Says("bc", "Q:")]);
            using var unused = new ModelReward(new() { Path = path });
        }
        Once();
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        Once();
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    public void Dispose()
    {
        model.Dispose();
        folder.Dispose();
    }
}
