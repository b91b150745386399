using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Rewards.Trained;

/// <summary><c>h W^T + b</c>: one reward, or one logit for each class, from what was read of a text. On the processor, float32; owns its tensors.</summary>
public sealed class RewardHead : IDisposable
{
    private RewardHead(Tensor weight, Tensor bias) => (Weight, Bias) = (weight, bias);

    /// <summary>A head that has learnt nothing.</summary>
    /// <param name="outputs">1 for a reward, else the number of classes.</param>
    /// <param name="width">How many numbers are read, 1 or more.</param>
    /// <param name="birth">What the weights are.</param>
    /// <param name="seed">Decides normal ones.</param>
    public static RewardHead Create(int outputs, int width, RewardHeadBirth birth, long seed)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(outputs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        using var scope = NewDisposeScope();
        using var generator = new Generator((ulong)seed, CPU);
        var weight = birth is RewardHeadBirth.Zero ? zeros(outputs, width) : randn([outputs, width], generator: generator) / Math.Sqrt(width + 1);
        return new(FeatureDials.Parameter(weight), FeatureDials.Parameter(zeros(outputs)));
    }

    /// <summary>A head with given weights, which are copied.</summary>
    /// <param name="weight"><c>[outputs, width]</c>.</param>
    /// <param name="bias"><c>[outputs]</c>.</param>
    /// <exception cref="ArgumentException">They do not fit each other.</exception>
    public static RewardHead Of(Tensor weight, Tensor bias)
    {
        if (weight.dim() != 2 || bias.dim() != 1 || weight.size(0) != bias.size(0)) throw new ArgumentException(
            $"weight is [{string.Join(", ", weight.shape)}] and bias [{string.Join(", ", bias.shape)}]; expected [outputs, width] and [outputs].");
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        return new(FeatureDials.Parameter(weight.to(ScalarType.Float32, copy: true)), FeatureDials.Parameter(bias.to(ScalarType.Float32, copy: true)));
    }

    /// <summary>W, <c>[outputs, width]</c>, with gradient.</summary>
    public Tensor Weight { get; }

    /// <summary>b, <c>[outputs]</c>, with gradient.</summary>
    public Tensor Bias { get; }

    /// <summary>1 for a reward, else the number of classes.</summary>
    public int Outputs => (int)Weight.size(0);

    /// <summary>How many numbers are read.</summary>
    public int Width => (int)Weight.size(1);

    /// <summary>How many numbers are learnt.</summary>
    public int TrainableParameters => (Width + 1) * Outputs;

    /// <summary>Rewards or logits.</summary>
    /// <param name="read">What was read of some texts, <c>[.., width]</c>, float32.</param>
    /// <returns><c>[.., outputs]</c>.</returns>
    /// <exception cref="ArgumentException">It has another width.</exception>
    public Tensor Values(Tensor read)
    {
        if (read.dim() < 1 || read.size(-1) != Width) throw new ArgumentException(
            $"what was read is [{string.Join(", ", read.shape)}]; expected [.., width] = [.., {Width}].", nameof(read));
        return nn.functional.linear(read, Weight, Bias);
    }

    /// <summary>What decides: the reward itself, or of each class the log odds <c>ln p - ln(1 - p)</c> of the softmax.</summary>
    /// <param name="values">What <see cref="Values"/> gave, <c>[n, outputs]</c>.</param>
    /// <returns><c>[n, outputs]</c>, float64.</returns>
    internal static Tensor Verdicts(Tensor values)
    {
        using var scope = NewDisposeScope();
        var z = values.detach().to(ScalarType.Float64);
        if (z.size(1) == 1) return z.MoveToOuterDisposeScope();
        var others = Enumerable.Range(0, (int)z.size(1)).Select(c => cat([z.narrow(1, 0, c), z.narrow(1, c + 1, z.size(1) - c - 1)], 1).logsumexp(1));
        return (z - stack(others, 1)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Weight.Dispose();
        Bias.Dispose();
    }
}
