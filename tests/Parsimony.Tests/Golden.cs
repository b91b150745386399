using System.Runtime.InteropServices;
using System.Text.Json;
using Parsimony.Autoencoders;
using Parsimony.Models;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests;

/// <summary>Reference tensors made by other people's code: a .safetensors file and the .json that says how exact they are.</summary>
internal sealed class Golden : IDisposable
{
    private readonly SafetensorsFile file;
    private readonly JsonDocument json;

    private Golden(string tensors, string facts)
    {
        file = SafetensorsFile.Open(tensors);
        json = JsonDocument.Parse(File.ReadAllText(facts));
    }

    /// <summary>Opens <c>../shared/fixtures/{name}.safetensors</c> and <c>.json</c>.</summary>
    public static Golden Open(string name) =>
        new(Shared.Path($"fixtures/{name}.safetensors"), Shared.Path($"fixtures/{name}.json"));

    public JsonElement Facts => json.RootElement;

    public bool Has(string name) => file.Contains(name);

    public Tensor this[string name] => file.Read(name);

    /// <summary>
    /// |mine - stored| must stay within ten times what the peer's own float32 run is off its float64 run, but at least
    /// <paramref name="relative"/> of the tensor's largest magnitude (fixtures/README.md: 1e-5; 3e-5 for gradients).
    /// </summary>
    public void AssertClose(string name, Tensor mine, double relative = 1e-5)
    {
        using var stored = this[name];
        AssertClose(name, mine, stored, relative);
    }

    /// <summary>The same at the true positions of a mask alone, where the rest of the stored tensor has no meaning.</summary>
    public void AssertCloseUnder(Tensor mask, string name, Tensor mine, double relative = 1e-5)
    {
        using var scope = NewDisposeScope();
        var outside = mask.logical_not();
        AssertClose(name, mine.masked_fill(outside, 0), this[name].masked_fill(outside, 0), relative);
    }

    private void AssertClose(string name, Tensor mine, Tensor reference, double relative)
    {
        using var scope = NewDisposeScope();
        var stored = reference.to_type(ScalarType.Float64);
        Assert.Equal(stored.shape, mine.shape);
        double largest = stored.abs().max().item<double>();
        double tolerance = Math.Max(relative * largest, 10 * PeerError(name));
        double off = (mine.detach().to_type(ScalarType.Float64) - stored).abs().max().item<double>();
        Assert.True(off <= tolerance, $"{name} is off by {off:e2}; allowed {tolerance:e2} (largest magnitude {largest:g3})");
    }

    private double PeerError(string name) =>
        Facts.TryGetProperty("float32_vs_float64", out var all) && all.TryGetProperty(name, out var entry)
            && entry.TryGetProperty("max_abs", out var value) ? value.GetDouble() : 0;

    public void Dispose()
    {
        file.Dispose();
        json.Dispose();
    }
}

/// <summary>Reads small tensors as arrays.</summary>
internal static class TensorReading
{
    public static long[] Longs(this Tensor t) => Cast<long>(t, ScalarType.Int64);

    public static float[] Floats(this Tensor t) => Cast<float>(t, ScalarType.Float32);

    private static T[] Cast<T>(Tensor t, ScalarType type) where T : unmanaged
    {
        using var plain = t.detach().to_type(type).contiguous();
        return MemoryMarshal.Cast<byte, T>(plain.bytes).ToArray();
    }

    /// <summary>Whether two tensors are equal bit for bit.</summary>
    public static bool SameBits(this Tensor a, Tensor b)
    {
        using var x = a.detach().contiguous();
        using var y = b.detach().contiguous();
        return x.dtype == y.dtype && x.shape.AsSpan().SequenceEqual(y.shape) && x.bytes.SequenceEqual(y.bytes);
    }

    /// <summary>Two SAEs of one architecture with the same weights to the last bit.</summary>
    public static bool SameBits(this ISparseAutoencoder a, ISparseAutoencoder b) => a.Architecture == b.Architecture
        && a.Weights.Keys.SequenceEqual(b.Weights.Keys) && a.Weights.All(weight => weight.Value.SameBits(b.Weights[weight.Key]));
}
