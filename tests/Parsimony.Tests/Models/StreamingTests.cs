using Parsimony.Models;
using Parsimony.Splicing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Models;

public sealed class StreamingTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly DisposeScope scope = NewDisposeScope();

    /// <summary>A folder of a family's model, its numbers in some type.</summary>
    private string Folder(string family, ScalarType type)
    {
        string path = SomeFamily.Folder(folder.File($"{family}-{type}"), family), file = Path.Combine(path, "model.safetensors");
        Dictionary<string, Tensor> halves = [];
        using (var weights = SafetensorsFolder.Open(path))
            foreach (string name in weights.Names) halves[name] = weights.Read(name).to(type);
        SafetensorsFile.Write(file, halves);
        return path;
    }

    private static Tensor Ids() => tensor(Enumerable.Range(0, 24).Select(i => (long)(i * 37 % 257)).ToArray()).view(2, 12);

    [Theory]
    [InlineData("gpt_neox", ScalarType.Float32, true)]
    [InlineData("gpt_neox", ScalarType.BFloat16, false)]
    [InlineData("gpt_neox", ScalarType.Float16, false)]
    [InlineData("llama", ScalarType.Float32, true)]
    [InlineData("llama", ScalarType.BFloat16, false)]
    [InlineData("gpt2", ScalarType.Float16, true)] // stored the other way round: read anew each time
    public void A_model_that_no_memory_holds_gives_the_same_logits(string family, ScalarType type, bool sameBits)
    {
        string path = Folder(family, type);
        using var no = no_grad();
        using var held = Transformer.Load(path);
        using var streamed = Transformer.Load(path, weightBytes: 0);
        Assert.True(streamed.IsStreamed);
        Assert.False(held.IsStreamed);
        for (int pass = 0; pass < 2; pass++)
        {
            Tensor expected = held.Forward(Ids()), found = streamed.Forward(Ids());
            if (sameBits) Assert.Equal(expected.Floats(), found.Floats());
            else Assert.True(expected.allclose(found, 1e-5, 1e-5));
        }
        Assert.InRange(held.BytesHeld - streamed.BytesHeld, 3 * sizeof(float) * new ModelSize(held.Config, WeightStorage.Fp32).LayerParameters, held.BytesHeld);
    }

    [Theory]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float32)]
    public void Gradients_through_streamed_layers_are_those_through_held_ones(ScalarType type)
    {
        string path = Folder("gpt_neox", type);
        float[] Gradient(Transformer model, bool recomputes)
        {
            using var inner = NewDisposeScope();
            var at = new HookPoint(0, HookSite.MlpOut);
            HookState state;
            using (no_grad()) state = model.RunTo(at, Ids());
            var shift = zeros(16).requires_grad_();
            var residual = model.ResidualFrom(state, (here, x) => here == at ? x + shift : x, recomputes ? new HashSet<int> { 0 } : null);
            return Gradients.Of(residual.square().sum(), shift)[0].Floats();
        }
        using var held = Transformer.Load(path);
        using var streamed = Transformer.Load(path, weightBytes: 0);
        float[] expected = Gradient(held, false);
        foreach (bool recomputes in (bool[])[true, false])
            foreach (var (e, f) in expected.Zip(Gradient(streamed, recomputes))) Assert.Equal(e, f, 1e-4 * Math.Max(1, Math.Abs(e)));
    }

    [Fact]
    public void Layers_that_are_run_again_are_let_go_behind_their_backward_pass()
    {
        var source = new CountingSource(Some.Weights(Some.Config(layers: 5)));
        using var model = new Transformer(Some.Config(layers: 5), source, weightBytes: 0);
        HookState state;
        using (no_grad()) state = model.RunTo(new HookPoint(0, HookSite.MlpOut), Some.Tokens());
        var shift = zeros(16).requires_grad_();
        var residual = model.ResidualFrom(state, (here, x) => here == state.At ? x + shift : x, new HashSet<int> { 0 });
        source.Released.Clear();
        Gradients.Of(residual.square().sum(), shift);
        Assert.Equal([4, 3, 2, 1], source.Released.Select(name => int.Parse(name.Split('.')[2], null)).Distinct());
    }

    /// <summary>Remembers what may go.</summary>
    private sealed class CountingSource(IWeightSource inner) : IWeightSource
    {
        public List<string> Released { get; } = [];
        public IReadOnlyCollection<string> Names => inner.Names;
        public string? Sha256 => inner.Sha256;
        public bool Contains(string name) => inner.Contains(name);
        public IReadOnlyList<long> Shape(string name) => inner.Shape(name);
        public Tensor Read(string name) => inner.Read(name);
        public void Dispose() => inner.Dispose();
        public void Advise(string name, bool isNeeded)
        {
            if (!isNeeded) Released.Add(name);
        }
    }

    [Fact]
    public void As_many_layers_stay_as_the_budget_holds()
    {
        string path = Folder("gpt_neox", ScalarType.Float32);
        var size = new ModelSize(ModelConfig.Load(path), WeightStorage.Fp32);
        using var no = no_grad();
        using var one = Transformer.Load(path, weightBytes: size.EmbeddingBytes + size.UnembeddingBytes + size.LayerBytes);
        one.Forward(Ids());
        Assert.True(one.IsStreamed);
        Assert.Equal(size.EmbeddingBytes + size.UnembeddingBytes + size.LayerBytes + 2 * 16 * 4, one.BytesHeld); // and the final norm
        using var all = Transformer.Load(path, weightBytes: size.Bytes);
        Assert.False(all.IsStreamed);
    }

    [Fact]
    public void Variants_run_side_by_side_are_those_run_one_after_the_other()
    {
        using var model = Some.Model();
        var state = model.RunTo(new HookPoint(0, HookSite.MlpOut), Some.Tokens());
        Tap?[] taps = [null, Taps.ZeroAblate(new(0, HookSite.MlpOut)), Taps.ZeroAblate(new(2, HookSite.AttnOut))];
        var together = model.ResidualsFrom(state, taps);
        for (int i = 0; i < taps.Length; i++) Assert.Equal(model.ResidualFrom(state, taps[i]).Floats(), together[i].Floats());
    }

    [Theory]
    [InlineData(WeightStorage.Bf16, ScalarType.BFloat16)]
    [InlineData(WeightStorage.Fp16, ScalarType.Float16)]
    public void A_file_of_the_storages_own_type_is_not_copied_and_gives_the_files_own_numbers(WeightStorage storage, ScalarType type)
    {
        string path = Folder("gpt_neox", type);
        using var no = no_grad();
        using var plain = Transformer.Load(path);
        using var stored = Transformer.Load(path, storage: storage);
        Assert.True(plain.Forward(Ids()).allclose(stored.Forward(Ids()), 1e-5, 1e-5));
    }

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }
}
