using System.Text.Json.Nodes;
using Parsimony.Autoencoders;
using Parsimony.Models;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Training;

/// <summary>A reference run made by other people's code: fixtures/sae/NAME.safetensors and .json, and the activations they were made on.</summary>
internal sealed class GoldenSteps(string name)
{
    private readonly SafetensorsFile file = SafetensorsFile.Open(Shared.Path($"fixtures/sae/{name}.safetensors"));
    private readonly JsonObject facts = JsonNode.Parse(File.ReadAllText(Shared.Path($"fixtures/sae/{name}.json")))!.AsObject();

    public const int Batch = 256;

    public Tensor this[string tensor] => file.Read(tensor);

    public bool Has(string tensor) => file.Contains(tensor);

    /// <summary>The names in a group, without it.</summary>
    public IEnumerable<string> In(string group) => file.Tensors.Keys.Where(k => k.StartsWith(group + ".", StringComparison.Ordinal)).Select(k => k[(group.Length + 1)..]);

    public double Config(string key) => (double)facts["config"]![key]!;

    public StandardSae Start() => new(this["init.W_enc"], this["init.W_dec"], this["init.b_enc"], this["init.b_dec"]);

    public static TensorSource Activations()
    {
        using var x = SafetensorsFile.Open(Shared.Path("fixtures/sae/activations.safetensors"));
        return new TensorSource(x.Read("x"), Batch);
    }

    /// <summary>The tolerance of fixtures/README.md: ten times what the peer's own float32 differs from its float64, and at least a
    /// fraction of the largest magnitude.</summary>
    public void AssertClose(string group, string part, Tensor actual, double floor = 1e-5) =>
        AssertClose($"{group}.{part}", actual, floor, 10 * ((double?)facts["float32_vs_float64"]![group]?[part]?["max_abs"] ?? 0));

    /// <summary>The same for a tensor that stands in no group.</summary>
    public void AssertClose(string name, Tensor actual, double floor = 1e-5, double allowed = 0)
    {
        using var scope = NewDisposeScope();
        var expected = this[name].to(ScalarType.Float64);
        allowed = Math.Max(allowed, floor * expected.abs().max().item<double>());
        Assert.Equal(expected.shape, actual.shape);
        double difference = (actual.to(ScalarType.Float64) - expected).abs().max().item<double>();
        Assert.True(difference <= allowed, $"{name}: differs by {difference:g3}, allowed {allowed:g3}");
    }
}
