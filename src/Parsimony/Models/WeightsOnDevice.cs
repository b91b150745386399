using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>Weights that are put on a device as they are read.</summary>
/// <param name="inner">Where they come from; owned.</param>
/// <param name="device">Where they go.</param>
internal sealed class WeightsOnDevice(IWeightSource inner, Device device) : IWeightSource
{
    public IReadOnlyCollection<string> Names => inner.Names;

    public string? Sha256 => inner.Sha256;

    public bool Contains(string name) => inner.Contains(name);

    public IReadOnlyList<long> Shape(string name) => inner.Shape(name);

    public Tensor Read(string name)
    {
        using var read = inner.Read(name);
        return read.to(device);
    }

    public void Dispose() => inner.Dispose();
}
