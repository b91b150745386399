using Parsimony.Evaluation;
using Parsimony.Models;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Models;

/// <summary>A real pretrained model by others, ../shared/data/stories260K.</summary>
public sealed class Llama2cFileTests
{
    // run.c's greedy continuation, as its own test expects it: ", there was a little girl named Lily. She loved to play outside in the park. One day, she saw"
    private static readonly int[] Prompt = [1, 403, 407, 261, 378];
    private static readonly int[] Continuation = [432, 383, 286, 261, 376, 298, 315, 421, 395, 317, 426, 338, 401, 396, 267, 337, 410, 408, 419, 292, 411, 322, 265, 282, 295, 433, 426, 385, 328, 432, 358, 394];

    private static string Folder => Shared.Path("data/stories260K");

    [Fact]
    public void The_header_says_the_shape() => Assert.Equal((5, 64, 172, 8, 4, 512, 512, true), Open(c =>
        (c.NLayers, c.DModel, c.DMlp, c.NHeads, c.NKvHeads, c.DVocab, c.MaxSequenceLength, c.TieWordEmbeddings)));

    [Fact]
    public void Greedy_tokens_are_those_of_the_original_program()
    {
        using var model = Transformer.Load(Folder);
        Assert.Equal(Continuation, Generation.Generate(model, [Prompt], new SamplingOptions { Temperature = 0, MaxNewTokens = Continuation.Length })[0]);
    }

    /// <summary>Stories of its own, drawn as it predicts, cost a model its entropy: about what it reaches on the stories it was made from, 1.27 nats a token.</summary>
    [Fact]
    public void Stories_drawn_from_it_cost_it_about_its_published_loss()
    {
        using var model = Transformer.Load(Folder);
        int[][] drawn = Generation.Generate(model, [.. Enumerable.Repeat<int[]>([1], 32)], new SamplingOptions { MaxNewTokens = 200, Seed = 1 });
        double loss = PlainLoss.Of(model, EvaluationWindows.Article([.. drawn.Select(row => (int[])[1, .. row])]));
        Assert.InRange(loss, 1.17, 1.37);
    }

    [Fact]
    public void The_same_weights_in_a_Hugging_Face_folder_are_the_same_model()
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        using (var file = Llama2cFile.Open(Path.Combine(Folder, "stories260K.bin")))
            SafetensorsFile.Write(folder.File("model.safetensors"), file.Names.Select(n => KeyValuePair.Create(n, file.Read(n))));
        File.WriteAllText(folder.File("config.json"), """
            {"model_type": "llama", "num_hidden_layers": 5, "hidden_size": 64, "intermediate_size": 172, "num_attention_heads": 8, "num_key_value_heads": 4,
             "max_position_embeddings": 512, "vocab_size": 512, "rms_norm_eps": 1e-5, "tie_word_embeddings": true}
            """);
        using var nograd = no_grad();
        using var there = Transformer.Load(folder.Path);
        using var here = Transformer.Load(Folder);
        var tokens = tensor(Prompt.Select(i => (long)i).ToArray()).unsqueeze(0);
        Assert.True(here.Forward(tokens).SameBits(there.Forward(tokens)));
    }

    [Fact]
    public void A_cut_off_or_foreign_file_is_refused()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("model.bin");
        byte[] whole = File.ReadAllBytes(Path.Combine(Folder, "stories260K.bin"));
        File.WriteAllBytes(path, whole[..^4]);
        Assert.Contains($"asks for {whole.Length} bytes, the file has {whole.Length - 4}", Message(), StringComparison.Ordinal);
        File.WriteAllBytes(path, whole[..20]);
        Assert.Contains("it has 20 bytes, and the header alone takes 28", Message(), StringComparison.Ordinal);
        File.WriteAllText(path, new string('x', 100));
        Assert.Contains("which is no model's shape", Message(), StringComparison.Ordinal);

        string Message() => Assert.Throws<InvalidDataException>(() => Transformer.Load(folder.Path)).Message;
    }

    private static T Open<T>(Func<LlamaConfig, T> read)
    {
        using var file = Llama2cFile.Open(Path.Combine(Folder, "stories260K.bin"));
        return read(file.Config);
    }
}
