using Parsimony.Models;
using Parsimony.Models.Storage;
using Parsimony.Tokens;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Models.Storage;

public sealed class WeightStorageTests
{
    private static Tensor Matrix(long outputs, long inputs, double scale = 0.1)
    {
        using var generator = new Generator(5, CPU);
        return randn(outputs, inputs, generator: generator).mul_(scale);
    }

    private static float[] Dequantised(Tensor matrix, WeightStorage storage)
    {
        using var stored = StoredMatrix.Of(matrix.clone(), storage);
        using var back = stored.Rows(0, stored.Outputs);
        Assert.Equal(matrix.shape, back.shape);
        return back.Floats();
    }

    [Fact]
    public void Int8_is_the_nearest_of_255_steps_of_each_rows_largest_magnitude()
    {
        using var hand = tensor(new float[,] { { 127, -1, 0.4f, 63.6f }, { 0, 0, 0, 0 }, { 2, -2, 1, 0.001f } });
        Assert.Equal([127, -1, 0, 64, 0, 0, 0, 0, 2, -2, 64 * 2f / 127, 0], Dequantised(hand, WeightStorage.Int8));

        using var w = Matrix(20, 33);
        float[] exact = w.Floats(), back = Dequantised(w, WeightStorage.Int8);
        for (int row = 0; row < 20; row++)
        {
            double largest = exact[(row * 33)..(row * 33 + 33)].Max(v => Math.Abs((double)v));
            for (int i = row * 33; i < row * 33 + 33; i++)
            {
                Assert.True(Math.Abs(back[i] - (double)exact[i]) <= largest / 254 * (1 + 1e-5), $"{exact[i]} became {back[i]}, the row's largest is {largest}");
                Assert.Equal(Math.Round(127 * exact[i] / largest) * largest / 127, back[i], 1e-7);
            }
        }
    }

    [Theory]
    [InlineData(20, 33)] // the last block of 64 is not full
    [InlineData(3, 128)]
    [InlineData(1, 5)]
    public void Nf4_is_the_nearest_of_QLoRAs_sixteen_values_of_each_block_of_64(int outputs, int inputs)
    {
        // Dettmers et al. 2023, appendix E
        double[] table = [-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0,
            0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1];
        using var w = Matrix(outputs, inputs);
        float[] exact = w.Floats(), back = Dequantised(w, WeightStorage.Nf4);
        for (int start = 0; start < exact.Length; start += 64)
        {
            double largest = exact[start..Math.Min(start + 64, exact.Length)].Max(v => Math.Abs((double)v));
            for (int i = start; i < Math.Min(start + 64, exact.Length); i++)
                Assert.Equal(largest * table.MinBy(t => Math.Abs(exact[i] / largest - t)), back[i], 1e-7);
        }
    }

    [Fact]
    public void The_sixteen_values_and_zeros_survive_nf4_as_they_are()
    {
        using var hand = zeros(2, 64);
        hand[0].narrow(0, 0, 16).copy_(tensor(Nf4Matrix.Values) * 2);
        Assert.Equal(hand.Floats(), Dequantised(hand, WeightStorage.Nf4));
    }

    [Fact]
    public void Scales_quantised_twice_are_within_one_254th_of_their_spread()
    {
        using var w = Matrix(300, 64); // 300 blocks: the last 44 share a second scale
        using (var rows = arange(1, 301, ScalarType.Float32).unsqueeze(1)) w.mul_(rows);
        float[] once = Dequantised(w, WeightStorage.Nf4), twice = Dequantised(w, WeightStorage.Nf4Dq);
        double[] scales = [.. w.Floats().Chunk(64).Select(block => block.Max(v => Math.Abs((double)v)))];
        double mean = scales.Average();
        for (int block = 0; block < 300; block++)
        {
            double spread = scales[(block / 256 * 256)..Math.Min(block / 256 * 256 + 256, 300)].Max(s => Math.Abs(s - mean));
            for (int i = block * 64; i < block * 64 + 64; i++) Assert.True(Math.Abs(once[i] - twice[i]) <= spread / 254 * 1.001, $"block {block}: {once[i]} and {twice[i]}");
        }
        Assert.NotEqual(once, twice);
    }

    [Theory]
    [InlineData(WeightStorage.Bf16, 256)]
    [InlineData(WeightStorage.Fp16, 2048)]
    public void Two_bytes_round_to_the_nearest(WeightStorage storage, double parts)
    {
        using var w = Matrix(8, 16);
        foreach (var (exact, back) in w.Floats().Zip(Dequantised(w, storage)))
            Assert.True(Math.Abs(exact - (double)back) <= Math.Abs(exact) / parts + 3e-8, $"{exact} became {back}");
    }

    [Theory]
    [InlineData(WeightStorage.Fp32, 4 * 48 * 40)]
    [InlineData(WeightStorage.Bf16, 2 * 48 * 40)]
    [InlineData(WeightStorage.Fp16, 2 * 48 * 40)]
    [InlineData(WeightStorage.Int8, 48 * 40 + 4 * 48)]
    [InlineData(WeightStorage.Nf4, 48 * 40 / 2 + 4 * 30)]
    [InlineData(WeightStorage.Nf4Dq, 48 * 40 / 2 + 30 + 4 + 4)]
    public void A_matrix_takes_what_the_formula_says(WeightStorage storage, long bytes)
    {
        using var stored = StoredMatrix.Of(Matrix(48, 40), storage);
        Assert.Equal(bytes, stored.Bytes);
        Assert.Equal(bytes, StoredMatrix.Bytes(storage, 48, 40));
    }

    [Theory]
    [InlineData(WeightStorage.Int8)]
    [InlineData(WeightStorage.Nf4)]
    public void The_gradient_is_that_of_the_dequantised_matrix_and_nothing_of_it_stays(WeightStorage storage)
    {
        using var stored = StoredMatrix.Of(Matrix(24, 64), storage);
        using var bias = ones(24);
        using var dense = stored.Rows(0, 24);
        using var x = Matrix(5, 64, 1).requires_grad_();
        void Backward(Func<Tensor> product)
        {
            using var scope = NewDisposeScope();
            product().square().sum().backward();
        }
        Backward(() => nn.functional.linear(x, dense, bias));
        float[] expected = x.grad!.Floats();
        x.grad!.zero_();
        Backward(() => StoredProduct.Of(x, stored, bias));
        Assert.Equal(expected, x.grad!.Floats());
        using (var product = StoredProduct.Of(x, stored, bias))
        using (var reference = nn.functional.linear(x, dense, bias)) Assert.Equal(reference.Floats(), product.Floats());
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        for (int i = 0; i < 3; i++) Backward(() => StoredProduct.Of(x, stored, bias));
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    [Theory]
    [InlineData(WeightStorage.Bf16)]
    [InlineData(WeightStorage.Int8)]
    [InlineData(WeightStorage.Nf4)]
    [InlineData(WeightStorage.Nf4Dq)]
    public void Some_rows_are_those_of_all(WeightStorage storage)
    {
        using var stored = StoredMatrix.Of(Matrix(700, 33), storage); // 33 columns: rows begin inside blocks of 64
        using var all = stored.Rows(0, 700);
        foreach (var (first, count) in ((long, long)[])[(0, 1), (1, 3), (511, 2), (500, 200), (699, 1)])
        {
            using var rows = stored.Rows(first, count);
            using var expected = all.narrow(0, first, count);
            Assert.Equal(expected.Floats(), rows.Floats());
        }
    }

    [Fact]
    public void Matrices_joined_are_their_rows_one_after_the_other()
    {
        using var joined = JoinedMatrix.Of([StoredMatrix.Of(Matrix(3, 8), WeightStorage.Int8), StoredMatrix.Of(Matrix(5, 8), WeightStorage.Nf4), StoredMatrix.Of(Matrix(2, 8), WeightStorage.Fp32)]);
        using var all = joined.Rows(0, 10);
        using var middle = joined.Rows(2, 7);
        using var expected = all.narrow(0, 2, 7);
        Assert.Equal((10, 8), (joined.Outputs, joined.Inputs));
        Assert.Equal(expected.Floats(), middle.Floats());
        using var x = Matrix(4, 8);
        using var product = StoredProduct.Of(x, joined, null);
        using var reference = nn.functional.linear(x, all);
        Assert.True(product.allclose(reference, 1e-6, 1e-7));
    }

    [Theory]
    [InlineData(WeightStorage.Bf16)]
    [InlineData(WeightStorage.Nf4Dq)]
    public void A_product_in_blocks_is_the_product(WeightStorage storage)
    {
        using var stored = StoredMatrix.Of(Matrix(600, 8192), storage); // three blocks of 256 rows
        using var dense = stored.Rows(0, 600);
        using var bias = Matrix(1, 600).view(600);
        using var x = Matrix(2, 3 * 8192).view(2, 3, 8192).requires_grad_();
        using var reference = nn.functional.linear(x, dense, bias);
        using var upstream = randn_like(reference);
        using var expected = autograd.grad([reference], [x], [upstream])[0];
        using var product = StoredProduct.Of(x, stored, bias);
        using var gradient = autograd.grad([product], [x], [upstream])[0];
        Assert.True(product.allclose(reference, 1e-5, 1e-5));
        Assert.True(gradient.allclose(expected, 1e-5, 1e-5));
    }

    [Fact]
    public void What_a_storage_cannot_hold_is_refused()
    {
        Assert.Contains("fp16 ends at 65504. Use bf16", Assert.Throws<InvalidDataException>(() => StoredMatrix.Of(full(2, 2, 1e5f), WeightStorage.Fp16)).Message, StringComparison.Ordinal);
        Assert.Contains("NaN", Assert.Throws<InvalidDataException>(() => StoredMatrix.Of(full(2, 2, float.NaN), WeightStorage.Int8)).Message, StringComparison.Ordinal);
    }

    /// <summary>Bounds of the difference to float32 in the mean loss of the bundled model, nats per token. Seen: 0.00002, 2e-7 (its file is fp16; products in
    /// blocks add up in another order), 0.0016, 0.032, 0.034.</summary>
    [Theory]
    [InlineData(WeightStorage.Fp32, 0)]
    [InlineData(WeightStorage.Bf16, 0.0001)]
    [InlineData(WeightStorage.Fp16, 1e-6)]
    [InlineData(WeightStorage.Int8, 0.005)]
    [InlineData(WeightStorage.Nf4, 0.1)]
    [InlineData(WeightStorage.Nf4Dq, 0.1)]
    public void The_bundled_models_loss_is_close_to_that_of_float32(WeightStorage storage, double within)
    {
        string folder = Path.Combine(Shared.RepositoryRoot(), "assets", "demo");
        using var no = no_grad();
        using var plain = Transformer.Load(folder);
        using var stored = Transformer.Load(folder, storage: storage);
        using var tokens = ContextPacker.ToTensor(ContextPacker.PackFile(Path.Combine(folder, "stories-heldout.txt"), Tokenizer.Load(folder), 128, limit: 4));
        double Loss(Transformer model)
        {
            using var logits = model.Forward(tokens);
            using var mean = NextTokenLoss.Mean(logits, tokens);
            return mean.item<float>();
        }
        double difference = Math.Abs(Loss(stored) - Loss(plain));
        TestContext.Current.TestOutputHelper!.WriteLine($"{storage}: {difference}, {stored.BytesHeld} bytes");
        Assert.True(difference <= within, $"the losses differ by {difference}");
    }

    [Theory]
    [InlineData(WeightStorage.Fp32, 4)]
    [InlineData(WeightStorage.Bf16, 2)]
    [InlineData(WeightStorage.Fp16, 2)]
    [InlineData(WeightStorage.Int8, 2)]
    [InlineData(WeightStorage.Nf4, 2)]
    [InlineData(WeightStorage.Nf4Dq, 2)]
    public void A_model_holds_just_the_layers_it_ran_in_just_their_bytes(WeightStorage storage, int embeddingBytes)
    {
        var c = Some.Config();
        using var model = new Transformer(c, Some.Weights(c), storage: storage);
        using var tokens = Some.Tokens();
        Assert.Equal(0, model.BytesHeld);
        model.Activations(new HookPoint(1, HookSite.MlpOut), tokens).Dispose();
        int d = c.DModel, mlp = c.DMlp;
        long Bytes(int outputs, int inputs) => StoredMatrix.Bytes(storage, outputs, inputs) + 4 * outputs; // and its bias
        long layer = Bytes(3 * d, d) + Bytes(d, d) + Bytes(mlp, d) + Bytes(d, mlp) + 4 * 4 * d; // two norms of gain and bias
        long attention = Bytes(3 * d, d) + Bytes(d, d); // of layer 1: with the parallel residual its MLP does not need it
        Assert.Equal(2 * layer - attention + embeddingBytes * c.DVocab * d, model.BytesHeld);
        model.Forward(tokens).Dispose();
        Assert.Equal(3 * layer + embeddingBytes * c.DVocab * d + StoredMatrix.Bytes(storage, c.DVocab, d) + 4 * 2 * d, model.BytesHeld);
        Assert.Equal(model.BytesHeld - 4 * 2 * d, new ModelSize(c, storage).Bytes);
    }

    [Theory]
    [InlineData("llama", WeightStorage.Int8)]
    [InlineData("gpt2", WeightStorage.Nf4)]
    public void Every_familys_matrices_are_stored(string family, WeightStorage storage)
    {
        var config = SomeFamily.Config(family);
        using var scope = NewDisposeScope();
        using var plain = new Transformer(config, SomeFamily.Weights(config));
        using var stored = new Transformer(config, SomeFamily.Weights(config), storage: storage);
        using var tokens = randint(0, config.DVocab, [2, 6], dtype: ScalarType.Int64);
        plain.Forward(tokens);
        var logits = stored.Forward(tokens);
        Assert.True(stored.BytesHeld < 0.6 * plain.BytesHeld, $"{stored.BytesHeld} of {plain.BytesHeld} bytes");
        Assert.True(logits.isfinite().all().item<bool>());
    }
}
