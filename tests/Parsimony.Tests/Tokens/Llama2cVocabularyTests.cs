using Parsimony.Models;
using Parsimony.Tokens;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Tokens;

/// <summary>tok512.bin and the model it belongs to, ../shared/data/stories260K.</summary>
public sealed class Llama2cVocabularyTests
{
    // What run.c writes at temperature 0 in 200 steps, as llama2.c's own test expects it.
    private const string Story = """
        Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball. She wanted to play with it, but it was too high.
        Lily's mom said, "Lily, let's go to the park." Lily was sad and didn't know what to do. She said, "I want to play with your ball, but I can't find it."
        Lily was sad and didn't know what to do. She said, "I'm sorry, Lily. I didn't know what to do."
        Lily didn't want to help her mom, so she
        """;

    private static string Folder => Shared.Path("data/stories260K");

    [Fact]
    public void Greedy_text_from_the_beginning_is_that_of_the_original_program()
    {
        using var model = Transformer.Load(Folder);
        var tokenizer = Tokenizer.Load(Folder);
        var options = new SamplingOptions { Temperature = 0, MaxNewTokens = 200 };
        string text = tokenizer.Decode(Generation.Generate(model, [tokenizer.EncodeDocument("")], options, endOfTextId: tokenizer.EndOfTextId)[0]);
        Assert.StartsWith(" " + Story.ReplaceLineEndings("\n"), text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_story_costs_about_what_the_model_was_trained_to()
    {
        using var model = Transformer.Load(Folder);
        var tokenizer = Tokenizer.Load(Folder);
        using var scope = NewDisposeScope();
        using var nograd = no_grad();
        const string story = "Once upon a time, there was a little boy named Tim. Tim had a small red car. He liked to play with his car every day. One day, Tim lost his car. "
            + "He was very sad. His mom said, \"Don't cry, Tim. Let's look for it.\" They looked under the bed and found the car. Tim was happy. He hugged his mom and said, \"Thank you!\"";
        var tokens = ContextPacker.ToTensor([tokenizer.EncodeDocument(story)]);
        Assert.InRange(NextTokenLoss.Mean(model.Forward(tokens), tokens).item<float>(), 0.9, 1.6); // 1.27 is its mean on TinyStories
    }

    [Fact]
    public void Ids_are_those_of_the_original_program_and_text_comes_back()
    {
        var tokenizer = Tokenizer.Load(Folder);
        Assert.Equal([1, 403, 407, 261, 378], tokenizer.EncodeDocument("Once upon a time"));
        Assert.Equal((512, 1, 1), (tokenizer.VocabularySize, tokenizer.BeginOfTextId, tokenizer.EndOfTextId));
        Assert.Equal(" Привет, 天!\n", tokenizer.Decode(tokenizer.Encode("Привет, 天!\n")));
        Assert.Equal([1, .. tokenizer.Encode("a"), 1, .. tokenizer.Encode("a")], ContextPacker.Pack([new("a", true), new("a", true)], tokenizer, 4).Single());
    }

    [Fact]
    public void A_broken_file_is_refused()
    {
        using var folder = new TemporaryFolder();
        byte[] whole = File.ReadAllBytes(Path.Combine(Folder, "tok512.bin"));
        File.WriteAllBytes(folder.File("tok.bin"), whole[..^1]);
        Assert.Contains("it is cut off", Assert.Throws<InvalidDataException>(() => Tokenizer.Load(folder.Path)).Message, StringComparison.Ordinal);
        File.WriteAllBytes(folder.File("tok.bin"), whole[4..]);
        Assert.Contains("cannot be read as a tokenizer of llama2.c", Assert.Throws<InvalidDataException>(() => Tokenizer.Load(folder.Path)).Message, StringComparison.Ordinal);
    }
}
