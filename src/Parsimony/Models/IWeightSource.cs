using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>Where a model's weights come from, by their Hugging Face names.</summary>
public interface IWeightSource : IDisposable
{
    /// <summary>All tensor names.</summary>
    IReadOnlyCollection<string> Names { get; }

    /// <summary>SHA-256 of the weights in lower-case hex, to tell models apart; null when they are in memory only. Weights that were quantised carry that of the weights they
    /// were made from, beside <see cref="QuantisedAs"/>.</summary>
    string? Sha256 { get; }

    /// <summary>The storage that the matrices here are already in; null where they are plain numbers, of which a model makes what it is asked for.</summary>
    WeightStorage? QuantisedAs => null;

    /// <summary>Whether there is a tensor of that name.</summary>
    bool Contains(string name);

    /// <summary>A tensor's shape, without reading it.</summary>
    IReadOnlyList<long> Shape(string name);

    /// <summary>A tensor as float32; the caller owns it.</summary>
    Tensor Read(string name);

    /// <summary>A tensor of the type it is stored in, where the source can a view of its mapped file, which costs nothing until it is read. Not to be changed, and valid while the
    /// source lives; the caller disposes it.</summary>
    Tensor Stored(string name) => Read(name);

    /// <summary>Says that a mapped tensor will be read soon, or that its pages may go until it is read again. Advice: nothing but speed and memory depends on it.</summary>
    void Advise(string name, bool isNeeded)
    {
    }
}
