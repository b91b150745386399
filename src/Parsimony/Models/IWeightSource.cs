using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>Where a model's weights come from, by their Hugging Face names.</summary>
public interface IWeightSource : IDisposable
{
    /// <summary>All tensor names.</summary>
    IReadOnlyCollection<string> Names { get; }

    /// <summary>SHA-256 of the weights in lower-case hex, to tell models apart; null when they are in memory only.</summary>
    string? Sha256 { get; }

    /// <summary>How a model is to keep the matrices it reads here in memory. Default: as read.</summary>
    WeightStorage Storage => WeightStorage.Fp32;

    /// <summary>Whether there is a tensor of that name.</summary>
    bool Contains(string name);

    /// <summary>A tensor's shape, without reading it.</summary>
    IReadOnlyList<long> Shape(string name);

    /// <summary>A tensor as float32; the caller owns it.</summary>
    Tensor Read(string name);
}
