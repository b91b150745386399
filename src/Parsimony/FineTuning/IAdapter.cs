using Parsimony.Models;
using static TorchSharp.torch;

namespace Parsimony.FineTuning;

/// <summary>
/// What fine-tuning learns: some numbers that act through the model's seam, while everything else is frozen. The dials of an SAE are one; what they are
/// compared with (LoRA, IA3, biases, neurons, whole layers) are others. At birth an adapter is at rest and changes nothing.
/// </summary>
public interface IAdapter : IDisposable
{
    /// <summary>The method in one word, as on a command line: <c>dials</c>, <c>lora</c>, <c>ia3</c>, ...</summary>
    string Method { get; }

    /// <summary>Where it acts, in the order of the pass, one or more. What lies below the first is frozen and need be run only once.</summary>
    IReadOnlyList<HookPoint> Hooks { get; }

    /// <summary>Those of <see cref="Hooks"/> at which it keeps what it needs at a later one of the layer. By default none.</summary>
    IReadOnlyList<HookPoint> Reads => [];

    /// <summary>What is learnt, by name: float32, with gradient. The tensors stay this object's; a trainer changes them in place.</summary>
    IReadOnlyDictionary<string, Tensor> Parameters { get; }

    /// <summary>How many numbers are learnt.</summary>
    long TrainableParameters { get; }

    /// <summary>At which tokens of a prompt with its response it acts. Default: all.</summary>
    TokenPositions Positions => TokenPositions.All;

    /// <summary>The adapter with its numbers as they are now; made anew after each change, for the gradient flows to them through it.</summary>
    /// <param name="where">Bool, <c>[batch, seq]</c>: the tokens of the pass at which it acts; null: all.</param>
    Tap Tap(Tensor? where = null);

    /// <summary>The model it starts from, by the same arithmetic; null: the plain model.</summary>
    Tap? Rest();

    /// <summary>Told before the first step what will be learnt from, for those that leave out what they have no evidence for. By default nothing is done.</summary>
    /// <param name="model">The model.</param>
    /// <param name="states">Passes over the tokens to learn from, halted at the first of <see cref="Hooks"/>; run only if asked for, and to be disposed.</param>
    void Prepare(Transformer model, IEnumerable<HookState> states) { }

    /// <summary>Toward what value weight decay draws a parameter. Default 0.</summary>
    double DecayToward(string parameter) => 0;

    /// <summary>Takes out of the gradients, in the order of <see cref="Parameters"/>, what may not move. By default all may.</summary>
    void Restrain(IReadOnlyList<Tensor> gradients) { }

    /// <summary>Called after each step of the optimiser: brings the parameters back to where they may be. By default they may be anywhere.</summary>
    /// <param name="learningRate">Of that step.</param>
    void Settle(double learningRate) { }

    /// <summary>The layers in which it acts.</summary>
    IReadOnlySet<int> Layers() => Hooks.Select(h => h.Layer).ToHashSet();

    /// <summary>What it is made of, by name, beside its numbers: a checkpoint of a run says it, and a run with another does not go on from it.</summary>
    IReadOnlyDictionary<string, string> Identity { get; }
}
