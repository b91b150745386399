using static TorchSharp.torch;

namespace Parsimony.Training.Kernels;

/// <summary>One number of each latent that is learnt, with the gradient that a rule fills in.</summary>
internal sealed unsafe class LatentParameter : IDisposable
{
    private readonly NativeArray<float> gradients;
    private readonly float* values;

    /// <param name="name">On disk.</param>
    /// <param name="first">First values, <c>[d_sae]</c>, copied.</param>
    public LatentParameter(string name, Tensor first)
    {
        (Name, Learned) = (name, new LearnedTensor(first));
        values = Learned.Parameter.Pointer();
        gradients = new NativeArray<float>(first.shape[0]).Cleared();
    }

    public string Name { get; }

    public LearnedTensor Learned { get; }

    /// <summary>Values, <c>[d_sae]</c>.</summary>
    public float* Values => values;

    /// <summary>Gradients, <c>[d_sae]</c>.</summary>
    public float* Gradients => gradients.Pointer;

    public void Dispose()
    {
        Learned.Dispose();
        gradients.Dispose();
    }
}
