using Parsimony.Models;
using Parsimony.Text;
using Parsimony.Tokens;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Tools;

public sealed class BundledModelTests
{
    private static readonly string Folder = Path.Combine(Shared.RepositoryRoot(), "assets", "demo");

    [Fact]
    public void It_is_a_model_of_five_layers_in_at_most_eight_megabytes()
    {
        using var model = Transformer.Load(Folder);
        Assert.Equal(5, model.Config.NLayers);
        Assert.Equal(Tokenizer.Load(Folder).VocabularySize, model.Config.DVocab);
        Assert.InRange(new FileInfo(Path.Combine(Folder, "model.safetensors")).Length, 1, 8_000_000);
    }

    [Fact]
    public void It_predicts_the_original_stories_far_better_than_chance()
    {
        using var nograd = no_grad();
        using var scope = NewDisposeScope();
        using var model = Transformer.Load(Folder);
        var contexts = ContextPacker.PackFile(Path.Combine(Folder, "stories.txt"), Tokenizer.Load(Folder), 256, limit: 8);
        var tokens = ContextPacker.ToTensor(contexts);
        double loss = NextTokenLoss.Mean(model.Forward(tokens), tokens).item<float>();
        Assert.True(loss < 4.2, $"{loss} nats per token");
    }

    [Fact]
    public void Its_corpus_is_documents_between_separator_lines()
    {
        var documents = Documents.Read(Path.Combine(Folder, "corpus.txt")).Count(p => p.EndsDocument);
        Assert.Equal(640, documents);
    }
}
