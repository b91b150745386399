using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Policy;

/// <summary>
/// PPO's critic, <c>V = h w + b</c>, with h the reference model's last residual stream after its final norm. h is there already for the KL, is
/// frozen, and carries no gradient into the dials: they move by reward and KL alone. Born as V = 0 everywhere (Huang et al. 2024).
/// </summary>
public sealed class ValueHead : IDisposable
{
    private readonly AdamW weightOptimiser, biasOptimiser;

    /// <summary>A head that values everything at 0.</summary>
    /// <param name="dModel">Width of h, 1 or more.</param>
    /// <param name="learningRate">AdamW's, above 0.</param>
    /// <param name="weightDecay">AdamW's, on w and b, 0 or more. Default 0.</param>
    /// <param name="device">Where it lives. Default the CPU.</param>
    public ValueHead(int dModel, double learningRate, double weightDecay = 0, Device? device = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(dModel, 1);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(learningRate);
        Weight = FeatureDials.Parameter(zeros(dModel, device: device));
        Bias = FeatureDials.Parameter(zeros(1, device: device));
        weightOptimiser = new AdamW(Weight, learningRate, weightDecay);
        biasOptimiser = new AdamW(Bias, learningRate, weightDecay);
    }

    /// <summary>w, <c>[d_model]</c>, float32, with gradient.</summary>
    public Tensor Weight { get; }

    /// <summary>b, <c>[1]</c>, float32, with gradient.</summary>
    public Tensor Bias { get; }

    /// <summary>Steps made; with <see cref="Tensors"/> it is the whole state, set when a run goes on from a checkpoint.</summary>
    public long Steps
    {
        get => weightOptimiser.Steps;
        set => weightOptimiser.Steps = biasOptimiser.Steps = value;
    }

    /// <summary>Values of hidden states.</summary>
    /// <param name="hidden">h, <c>[.., d_model]</c>; no gradient goes into it.</param>
    /// <returns><c>[..]</c>, float32, in units of the reward.</returns>
    /// <exception cref="ArgumentException">h has another width.</exception>
    public Tensor Values(Tensor hidden)
    {
        if (hidden.dim() < 1 || hidden.size(-1) != Weight.size(0)) throw new ArgumentException(
            $"the hidden states are [{string.Join(", ", hidden.shape)}]; expected [.., d_model] = [.., {Weight.size(0)}].", nameof(hidden));
        using var scope = NewDisposeScope();
        return (hidden.detach().to(ScalarType.Float32).matmul(Weight) + Bias).MoveToOuterDisposeScope();
    }

    /// <summary>One step down the gradient of a loss made from <see cref="Values"/>.</summary>
    /// <param name="loss">A scalar, such as <see cref="ValueLoss.Loss"/>; its graph is used up.</param>
    public void Step(Tensor loss)
    {
        using var scope = NewDisposeScope();
        var gradients = autograd.grad([loss], [Weight, Bias]);
        weightOptimiser.Step(gradients[0]);
        biasOptimiser.Step(gradients[1]);
    }

    /// <summary>Everything but <see cref="Steps"/>, by the names of a checkpoint; the tensors stay this object's and may be copied into.</summary>
    public IReadOnlyDictionary<string, Tensor> Tensors() => new Dictionary<string, Tensor>
    {
        ["value.weight"] = Weight,
        ["value.weight.exp_avg"] = weightOptimiser.FirstMoment,
        ["value.weight.exp_avg_sq"] = weightOptimiser.SecondMoment,
        ["value.bias"] = Bias,
        ["value.bias.exp_avg"] = biasOptimiser.FirstMoment,
        ["value.bias.exp_avg_sq"] = biasOptimiser.SecondMoment,
    };

    /// <inheritdoc/>
    public void Dispose()
    {
        weightOptimiser.Dispose();
        biasOptimiser.Dispose();
        Weight.Dispose();
        Bias.Dispose();
    }
}
