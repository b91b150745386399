using System.IO.Compression;
using System.Text;
using System.Text.Json;
using Parsimony.FineTuning.Rewards.Trained;
using Parsimony.Models;
using Parsimony.Tokens;
using Xunit;

namespace Parsimony.Tests.FineTuning.Rewards.Trained;

/// <summary>The bundled model on data of other people's.</summary>
public sealed class RewardDataOfOthersTests : IDisposable
{
    private static readonly string Demo = Path.Combine(Shared.RepositoryRoot(), "assets", "demo");
    private readonly TemporaryFolder folder = new();
    private readonly Transformer model = Transformer.Load(Demo);
    private readonly Tokenizer tokenizer = Tokenizer.Load(Demo);

    [Fact]
    public void Sentiment_of_sentences_is_learnt_better_than_the_commonest_label_and_than_from_random_labels()
    {
        // Pang and Lee 2005, one sentence in four of those of at most 60 characters.
        using var zip = ZipFile.OpenRead(Shared.Path("data/sentiment/nltk-sentence_polarity.zip"));
        var rows = new List<string>();
        foreach (string label in (string[])["neg", "pos"])
        {
            using var reader = new StreamReader(zip.GetEntry($"sentence_polarity/rt-polarity.{label}")!.Open(), Encoding.Latin1);
            string[] sentences = [.. reader.ReadToEnd().Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Where(s => s.Length <= 60)];
            rows.AddRange(sentences.Take(500).Select(text => JsonSerializer.Serialize(new { text, label })));
        }
        File.WriteAllLines(folder.File("sentences.jsonl"), rows);
        var (train, heldOut) = RewardData.Load(folder.File("sentences.jsonl"), tokenizer, new() { SequenceLength = 256 }).Split(0.3, 1);
        using var result = new RewardHeadTrainer(model, new() { Pooling = RewardPooling.Mean, Hook = HookPoint.Parse("blocks.2.resid_post") }).Train(train, heldOut);
        var accuracy = result.HeldOut!.Accuracy;
        TestContext.Current.TestOutputHelper?.WriteLine($"{accuracy} baseline {result.Baseline} null {result.NullAccuracy} train {result.Train.Accuracy.Value}");
        Assert.True(accuracy.Low > result.Baseline && accuracy.Low > 0.5, $"{accuracy}, {result.Baseline}");
        Assert.True(accuracy.Value > result.NullAccuracy + 0.03, $"{accuracy}, {result.NullAccuracy}");
    }

    [Fact]
    public void Preference_pairs_are_learnt_and_the_held_out_accuracy_is_that_of_the_saved_model()
    {
        string few = folder.File("pairs.jsonl");
        using (var zip = new StreamReader(new GZipStream(File.OpenRead(Shared.Path("data/preference/helpful-base-test.jsonl.gz")), CompressionMode.Decompress)))
            File.WriteAllLines(few, Enumerable.Range(0, 160).Select(_ => zip.ReadLine()!).Where(l => l.Length < 1500).Take(100));
        var data = RewardData.Load(few, tokenizer, new() { SequenceLength = 128 });
        var (train, heldOut) = data.Split(0.3, 1);
        using var result = new RewardHeadTrainer(model, new() { Epochs = 60 }).Train(train, heldOut);
        TestContext.Current.TestOutputHelper?.WriteLine($"{data.Warning} {result.HeldOut} baseline {result.Baseline} null {result.NullAccuracy} train {result.Train}");
        Assert.True(result.Train.Accuracy.Value > 0.65 && result.Train.Loss < Math.Log(2), $"{result.Train}");
        RewardHeadFolder.Save(folder.File("reward"), result.Head, new()
        {
            BaseModelName = "demo",
            BaseModelFolder = Demo,
            BaseModelSha256 = model.Sha256!,
            SequenceLength = 128,
            Gain = result.Gain,
            Offset = result.Offset,
        });
        var (head, config) = RewardHeadFolder.Load(folder.File("reward"));
        using var saved = RewardModel.Open(head, config, model, tokenizer);
        double[] rewards = [.. saved.Judge(heldOut.Texts).Select(r => r[0])];
        Assert.Equal(result.HeldOut!.Accuracy.Value, rewards.Chunk(2).Average(pair => pair[0] > pair[1] ? 1.0 : 0), 2);
        Assert.Equal(0, rewards.Average(), 3);
        Assert.Equal(1, rewards.Average(r => r * r), 2);
    }

    [Fact]
    public void Verdicts_as_for_KTO_are_two_classes()
    {
        var data = RewardData.Load(Shared.Path("data/preference/kto_en_demo.json"), tokenizer, new() { SequenceLength = 256 });
        Assert.Equal((300, false), (data.Count, data.IsPairs));
        Assert.Equal(["false", "true"], data.Classes);
        Assert.All(data.Texts, t => Assert.InRange(t.Tokens.Length, 2, 256));
    }

    public void Dispose()
    {
        model.Dispose();
        folder.Dispose();
    }
}
