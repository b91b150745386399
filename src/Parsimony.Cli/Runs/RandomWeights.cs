using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Cli.Runs;

/// <summary>Random numbers in the shape of a model's weights, made when they are read: a layer takes as long on them as on the true ones.</summary>
internal sealed class RandomWeights(IModelConfig config) : IWeightSource
{
    private const double Deviation = 0.02;
    private readonly Dictionary<string, long[]> shapes = ModelTensors.Of(config).ToDictionary(t => t.Name, t => t.Shape);

    public IReadOnlyCollection<string> Names => shapes.Keys;

    public string? Sha256 => null;

    public bool Contains(string name) => shapes.ContainsKey(name);

    public IReadOnlyList<long> Shape(string name) => shapes[name];

    public Tensor Read(string name)
    {
        var weight = empty(shapes[name]);
        _ = weight.normal_(0, Deviation);
        return weight;
    }

    public void Dispose()
    {
    }
}
