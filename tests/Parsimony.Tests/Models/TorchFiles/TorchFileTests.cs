using System.IO.Compression;
using System.Runtime.InteropServices;
using Parsimony.Models.TorchFiles;
using TorchSharp;
using Xunit;
using static Parsimony.Tests.Models.TorchFiles.SomePickle;
using static TorchSharp.torch;

namespace Parsimony.Tests.Models.TorchFiles;

public sealed class TorchFileTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_state_dictionary_that_torch_saved_is_read()
    {
        using var file = TorchFile.Open(Shared.Path("data/torch-pt-cases/candle-test.pt"));
        Assert.Equal(["test"], file.Tensors.Keys);
        using var test = file.Read("test");
        Assert.Equal([2, 4], test.shape);
        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8], test.Longs());
    }

    [Fact]
    public void A_dictionary_inside_a_dictionary_is_named_with_a_dot()
    {
        using var file = TorchFile.Open(Shared.Path("data/torch-pt-cases/candle-test_with_key.pt"));
        using var test = file.Read("model_state_dict.test", ScalarType.Float32);
        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8], test.Floats());
    }

    [Fact]
    public void Strides_are_respected()
    {
        using var file = TorchFile.Open(Shared.Path("data/torch-pt-cases/candle-fortran_tensor_3d.pth"));
        using var tensor = file.Read("tensor_fortran");
        Assert.Equal([2, 3, 4], tensor.shape);
        Assert.Equal(Enumerable.Range(1, 24).Select(i => (long)i), tensor.Longs());
        Assert.True(tensor.is_contiguous());
    }

    [Fact]
    public void A_slice_of_a_storage_is_that_slice()
    {
        byte[] data = MemoryMarshal.AsBytes<float>([0, 1, 2, 3, 4, 5, 6, 7]).ToArray();
        using var file = TorchFile.Open(Write(folder.File("a.pt"), Dictionary(
            ("every other", Tensor("FloatStorage", "0", 8, 1, [3], [2])), ("transposed", Tensor("FloatStorage", "0", 8, 2, [2, 3], [1, 2])),
            ("scalar", Tensor("FloatStorage", "0", 8, 7, [], [])), ("none", Tensor("FloatStorage", "0", 8, 0, [0], [1]))), new() { ["0"] = data }));
        Assert.Equal([1, 3, 5], Values(file, "every other"));
        Assert.Equal([2, 4, 6, 3, 5, 7], Values(file, "transposed"));
        Assert.Equal([7], Values(file, "scalar"));
        Assert.Empty(Values(file, "none"));
    }

    [Fact]
    public void Every_type_is_read_and_written()
    {
        using var scope = NewDisposeScope();
        ScalarType[] types = [ScalarType.Float32, ScalarType.Float64, ScalarType.Float16, ScalarType.BFloat16, ScalarType.Int64, ScalarType.Int32,
            ScalarType.Int16, ScalarType.Int8, ScalarType.Byte, ScalarType.Bool];
        var tensors = types.ToDictionary(t => $"{t}", t => (object)arange(0, 6, ScalarType.Int64).view(2, 3).to(t));
        TorchFile.Write(folder.File("b.pt"), tensors);
        using var file = TorchFile.Open(folder.File("b.pt"));
        foreach (var (name, tensor) in tensors) Assert.True(file.Read(name).SameBits((Tensor)tensor), name);
    }

    [Fact]
    public void What_was_written_is_read_back_with_its_strides_laid_straight_and_twice_to_the_same_bytes()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(1, CPU);
        var w = randn(5, 7, generator: generator);
        KeyValuePair<string, object>[] state = [new("encoder.weight", w.t()), new("k", 8L), new("scalar", tensor(2.5f)), new("empty", zeros(0, 3)),
            new("activation", "TopK"), new("inner", new Dictionary<string, object> { ["big"] = 1L << 40, ["negative"] = -1L })];
        TorchFile.Write(folder.File("one.pt"), state);
        TorchFile.Write(folder.File("two.pt"), state);
        using var file = TorchFile.Open(folder.File("one.pt"));
        Assert.True(file.Read("encoder.weight").SameBits(w.t()));
        Assert.Equal((2.5f, 0L), (file.Read("scalar").item<float>(), file.Read("empty").numel()));
        Assert.Equal([("k", 8L), ("activation", "TopK"), ("inner.big", 1L << 40), ("inner.negative", (object?)-1L)], file.Values.Select(v => (v.Key, v.Value)));
        Assert.Equal(File.ReadAllBytes(folder.File("one.pt")), File.ReadAllBytes(folder.File("two.pt")));
    }

    [Fact]
    public void Parameters_sizes_devices_types_and_attributes_of_a_state_dictionary_are_data()
    {
        byte[] data = new byte[8];
        string tensor = Tensor("FloatStorage", "0", 2, 0, [2], [1]);
        using var file = TorchFile.Open(Write(folder.File("a.pt"), "ccollections\nOrderedDict\n)R(" + String("p")
            + "ctorch._utils\n_rebuild_parameter\n" + Tuple(tensor, "\u0088", "ccollections\nOrderedDict\n)R") + "R"
            + String("size") + "ctorch\nSize\n" + Tuple(Tuple(Number(3), Number(4))) + "R" + String("device") + "ctorch\ndevice\n" + Tuple(String("cpu")) + "R"
            + String("dtype") + "ctorch\nbfloat16\n" + "u" + Dictionary(("_metadata", "}")) + "b", new() { ["0"] = data }));
        Assert.Equal(["p"], file.Tensors.Keys);
        Assert.Equal([("size.0", 3L), ("size.1", 4L), ("device", "cpu"), ("dtype", (object?)"bfloat16")], file.Values.Select(v => (v.Key, v.Value)));
    }

    [Fact]
    public void Nothing_is_leaked()
    {
        TorchFile.Write(folder.File("a.pt"), [new("x", zeros(3))]);
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        using (var file = TorchFile.Open(folder.File("a.pt"))) file.Read("x").Dispose();
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void A_SAE_that_others_trained_reconstructs_as_its_description_says()
    {
        using var scope = NewDisposeScope();
        using var file = TorchFile.Open(Shared.Path("data/sae-weights/sehajr-sae.pt"));
        Assert.Equal(["b_dec", "W_enc", "b_enc", "W_dec"], file.Tensors.Keys);
        Tensor bDec = file.Read("b_dec"), wEnc = file.Read("W_enc"), bEnc = file.Read("b_enc"), wDec = file.Read("W_dec");
        Assert.Equal([[32], [64, 32], [64], [32, 64]], new[] { bDec, wEnc, bEnc, wDec }.Select(t => t.shape));
        Assert.True((wDec.norm(dim: 0) - 1).abs().max().item<float>() < 1e-5, "its decoder columns have unit length");
        // Its 64 latents span the 32 dimensions: it explains six sevenths of inputs of unit variance.
        using var generator = new Generator(1, CPU);
        var x = randn(500, 32, generator: generator);
        var f = ((x - bDec).matmul(wEnc.t()) + bEnc).relu();
        var xHat = f.matmul(wDec.t()) + bDec;
        double unexplained = ((x - xHat).pow(2).sum() / (x - bDec).pow(2).sum()).item<float>();
        Assert.InRange(unexplained, 0.1, 0.17);
    }

    private static float[] Values(TorchFile file, string name)
    {
        using var tensor = file.Read(name);
        return tensor.Floats();
    }
}
