using Parsimony.Models;
using Parsimony.Models.Storage;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Models.Storage;

public sealed class ModelQuantiserTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly DisposeScope scope = NewDisposeScope();

    private static float[] Logits(Transformer model)
    {
        using var no = no_grad();
        return model.Forward(tensor(Enumerable.Range(0, 24).Select(i => (long)(i * 37 % 257)).ToArray()).view(2, 12)).Floats();
    }

    [Theory]
    [InlineData("gpt_neox", WeightStorage.Nf4)]
    [InlineData("gpt_neox", WeightStorage.Nf4Dq)]
    [InlineData("gpt_neox", WeightStorage.Int8)]
    [InlineData("gpt_neox", WeightStorage.Bf16)]
    [InlineData("gpt2", WeightStorage.Nf4)]
    [InlineData("llama", WeightStorage.Int8)]
    [InlineData("qwen2", WeightStorage.Nf4Dq)]
    public void The_written_model_is_bit_by_bit_the_original_in_that_storage(string family, WeightStorage storage)
    {
        string original = SomeFamily.Folder(folder.File("original"), family), written = folder.File("written");
        ModelQuantiser.Write(original, storage, written);
        using var expected = Transformer.Load(original, storage: storage);
        using var found = Transformer.Load(written);
        Assert.Equal(storage, found.Storage);
        Assert.Equal(expected.Sha256, found.Sha256);
        Assert.Equal(Logits(expected), Logits(found));
        Assert.Equal(expected.BytesHeld, found.BytesHeld);
        using var streamed = Transformer.Load(written, weightBytes: 0);
        Assert.Equal(Logits(expected), Logits(streamed));
        Assert.Contains("cannot be had as fp32", Assert.Throws<InvalidDataException>(() => Transformer.Load(written, storage: WeightStorage.Fp32)).Message, StringComparison.Ordinal);
        Assert.Contains("already", Assert.Throws<InvalidDataException>(() => ModelQuantiser.Write(written, storage, folder.File("again"))).Message, StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(written, "tokenizer.json")));
    }

    [Fact]
    public void What_was_finished_is_kept()
    {
        string original = SomeFolder.Model(folder.File("original")), written = folder.File("written"), weights = Path.Combine(written, "model.safetensors");
        ModelQuantiser.Write(original, WeightStorage.Nf4, written);
        var time = File.GetLastWriteTimeUtc(weights);
        File.Delete(Path.Combine(written, "config.json")); // as if killed before the last file
        ModelQuantiser.Write(original, WeightStorage.Nf4, written);
        Assert.Equal(time, File.GetLastWriteTimeUtc(weights));
        ModelQuantiser.Write(original, WeightStorage.Int8, written);
        using var other = Transformer.Load(written);
        Assert.Equal(WeightStorage.Int8, other.Storage);
    }

    [Fact]
    public void Its_own_folder_and_float32_are_refused()
    {
        string original = SomeFolder.Model(folder.File("original"));
        Assert.Contains("own folder", Assert.Throws<ArgumentException>(() => ModelQuantiser.Write(original, WeightStorage.Nf4, original)).Message, StringComparison.Ordinal);
        Assert.Contains("bf16, fp16, int8", Assert.Throws<ArgumentException>(() => ModelQuantiser.Write(original, WeightStorage.Fp32, folder.File("x"))).Message, StringComparison.Ordinal);
    }

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }
}
