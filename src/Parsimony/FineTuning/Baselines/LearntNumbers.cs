using Parsimony.Models;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Baselines;

/// <summary>The numbers of an adapter: born without history and outside every dispose scope, on the model's device.</summary>
internal sealed class LearntNumbers(Device device) : IDisposable
{
    private readonly OrderedDictionary<string, Tensor> all = [];

    public IReadOnlyDictionary<string, Tensor> ByName => all;

    public long Count => all.Values.Sum(t => t.numel());

    /// <summary>Numbers that begin at 0.</summary>
    public Tensor Zeros(string name, params long[] shape) => all[name] = FeatureDials.Parameter(zeros(shape, device: device));

    /// <summary>Numbers that begin at given values, which are taken over.</summary>
    public Tensor Add(string name, Tensor value)
    {
        using (value) return all[name] = FeatureDials.Parameter(value.to(device, copy: true));
    }

    /// <summary>Layers to act in, in order and each once.</summary>
    /// <exception cref="ArgumentException">There is none, or the model lacks one.</exception>
    public static IReadOnlyList<int> Layers(Transformer model, IReadOnlyList<int> layers)
    {
        if (layers.Count == 0) throw new ArgumentException($"no layer is given; expected one or more of 0 to {model.Config.NLayers - 1}.", nameof(layers));
        foreach (int layer in layers)
            if (layer < 0 || layer >= model.Config.NLayers) throw new ArgumentException(
                $"layer {layer} is none of this model's; allowed are 0 to {model.Config.NLayers - 1}.", nameof(layers));
        return [.. layers.Distinct().Order()];
    }

    public void Dispose()
    {
        foreach (var t in all.Values) t.Dispose();
    }
}
