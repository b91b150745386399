using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>Weights that are put on a device as they are read, with the storage that their matrices are to be kept in.</summary>
/// <param name="inner">Where they come from; owned.</param>
/// <param name="device">Where they go.</param>
/// <param name="storage">How matrices and embeddings are kept.</param>
internal sealed class WeightsInMemory(IWeightSource inner, Device device, WeightStorage storage) : IWeightSource
{
    public IReadOnlyCollection<string> Names => inner.Names;

    public string? Sha256 => inner.Sha256;

    public WeightStorage Storage => storage;

    public bool Contains(string name) => inner.Contains(name);

    public IReadOnlyList<long> Shape(string name) => inner.Shape(name);

    public Tensor Read(string name)
    {
        if (device.type == DeviceType.CPU) return inner.Read(name);
        using var read = inner.Read(name);
        return read.to(device);
    }

    public void Dispose() => inner.Dispose();
}
