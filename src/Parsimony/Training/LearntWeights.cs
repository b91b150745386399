using Parsimony.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>
/// The tensors a step learns, each under Adam, with what all architectures share between gradient and weights: projection, clipping, Adam,
/// renormalised decoder rows.
/// </summary>
internal sealed class LearntWeights : IDisposable
{
    private const double Tiny = 1e-6; // as torch.nn.utils.clip_grad_norm_
    private readonly SaeTrainingOptions options;
    private readonly List<(string Name, Adam Adam)> parameters = [];

    /// <summary>Copies the first weights.</summary>
    /// <param name="options">Resolved options (<see cref="ArchitectureDefaults.Resolve"/>).</param>
    /// <param name="first">Tensors by their name on disk; stay the caller's.</param>
    public LearntWeights(SaeTrainingOptions options, IEnumerable<KeyValuePair<string, Tensor>> first)
    {
        this.options = options;
        foreach (var (name, tensor) in first)
        {
            using var scope = NewDisposeScope();
            parameters.Add((name, new Adam(tensor.detach().to(ScalarType.Float32).contiguous().clone().DetachFromDisposeScope(), options)));
        }
    }

    /// <summary>A weight by its name on disk.</summary>
    public Tensor this[string name] => AdamOf(name).Parameter;

    /// <summary>A weight's optimiser, for a step that makes its gradients one after another.</summary>
    public Adam AdamOf(string name) => parameters.Find(p => p.Name == name).Adam;

    /// <summary>One update: (project the gradient of W_dec,) clip all, Adam, (renormalise the rows of W_dec).</summary>
    /// <param name="gradients">Of every weight, by name; used up.</param>
    /// <param name="inputs">Number of the step and its rate.</param>
    public void Update(IReadOnlyDictionary<string, Tensor> gradients, SaeStepInputs inputs)
    {
        using var scope = NewDisposeScope();
        var constraint = options.DecoderConstraint;
        if (constraint is DecoderConstraint.ProjectAndRenormalise or DecoderConstraint.RenormaliseBefore)
            DecoderRow.ProjectOut(gradients["W_dec"], this["W_dec"]);
        if (constraint == DecoderConstraint.RenormaliseBefore) DecoderRow.Renormalise(this["W_dec"]);
        if (options.GradientClip is > 0 and var clip) Clip([.. gradients.Values], clip);
        foreach (var (name, adam) in parameters) adam.Update(gradients[name], inputs.LearningRate, inputs.Step);
        if (constraint is DecoderConstraint.Renormalise or DecoderConstraint.ProjectAndRenormalise) DecoderRow.Renormalise(this["W_dec"]);
    }

    /// <summary>Gives latents new weights and zeros for all else that is theirs, moments included.</summary>
    public void Replace(Tensor latents, Tensor encoderColumns, Tensor decoderRows)
    {
        using var _ = no_grad();
        foreach (var (name, adam) in parameters)
        {
            if (LatentAxis(name) is not { } axis) continue;
            if (name == "W_enc") adam.Parameter.index_copy_(axis, latents, encoderColumns);
            else if (name == "W_dec") adam.Parameter.index_copy_(axis, latents, decoderRows);
            else adam.Parameter.index_fill_(axis, latents, 0);
            adam.Forget(axis, latents);
        }
    }

    /// <summary>Weights and moments by name; they stay this object's.</summary>
    /// <param name="more">What else the step keeps.</param>
    public Dictionary<string, Tensor> State(params (string Name, Tensor Tensor)[] more)
    {
        var state = more.ToDictionary(m => m.Name, m => m.Tensor);
        foreach (var (name, adam) in parameters)
        {
            state.Add(name, adam.Parameter);
            state.Add($"{name}.exp_avg", adam.Mean);
            state.Add($"{name}.exp_avg_sq", adam.MeanSquare);
        }
        return state;
    }

    /// <summary>Copies saved tensors into a step's own.</summary>
    /// <param name="own">What the step's State() gives.</param>
    /// <param name="saved">What it gave once.</param>
    /// <exception cref="InvalidDataException">A tensor is missing or has another shape.</exception>
    public static void Restore(IReadOnlyDictionary<string, Tensor> own, IReadOnlyDictionary<string, Tensor> saved)
    {
        foreach (var (name, tensor) in own)
            if (!saved.TryGetValue(name, out var other) || !other.shape.SequenceEqual(tensor.shape))
                throw new InvalidDataException(
                    $"The saved state has no tensor {name} of shape [{string.Join(", ", tensor.shape)}]; it belongs to another SAE.");
        using var _ = no_grad();
        foreach (var (name, tensor) in own) tensor.copy_(saved[name]);
    }

    /// <summary>Frees weights and moments.</summary>
    public void Dispose()
    {
        foreach (var (_, adam) in parameters)
        {
            adam.Parameter.Dispose();
            adam.Dispose();
        }
    }

    /// <summary>Scales gradients so that the norm of all together is at most <paramref name="largest"/>; no device sync.</summary>
    private static void Clip(Tensor[] gradients, double largest)
    {
        var norm = stack([.. gradients.Select(g => g.norm())]).norm();
        var factor = (largest / (norm + Tiny)).clamp_max_(1);
        foreach (var gradient in gradients) gradient.mul_(factor);
    }

    private static long? LatentAxis(string name) => name switch
    {
        "W_enc" => 1,
        "b_dec" or "W_skip" => null,
        _ => 0,
    };
}
