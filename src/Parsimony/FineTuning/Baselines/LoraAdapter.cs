using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Parsimony.FineTuning.Baselines;

/// <summary>
/// LoRA (Hu et al. 2021, arXiv 2106.09685, section 4.1): to the output of a frozen map is added <c>(alpha / r) B A x</c>, a change of the matrix of rank r.
/// A is born uniform within 1 / sqrt(in) and B at 0, as in PEFT, so that at birth nothing changes; no dropout.
/// </summary>
public sealed class LoraAdapter : IAdapter
{
    private readonly LearntNumbers numbers;
    private readonly IReadOnlyList<LinearMap> maps;
    private readonly List<(Tensor A, Tensor B)> pairs = [];
    private readonly long seed;

    /// <summary>A newborn adapter.</summary>
    /// <param name="model">The model; not owned.</param>
    /// <param name="layers">Layers, 0-based, one or more.</param>
    /// <param name="targets">Maps of each layer, one or more; PEFT's for GPT-NeoX: <see cref="LinearTarget.Qkv"/>.</param>
    /// <param name="rank">r, 1 or more.</param>
    /// <param name="alpha">What is added is multiplied by alpha / r; null: alpha = r.</param>
    /// <param name="seed">Decides A.</param>
    /// <exception cref="ArgumentException">No layer, one that the model lacks, or no target; a rank below 1.</exception>
    public LoraAdapter(Transformer model, IReadOnlyList<int> layers, IReadOnlyList<LinearTarget> targets, int rank, double? alpha = null, long seed = 0)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rank, 1);
        if (targets.Count == 0) throw new ArgumentException($"no target is given; expected one or more of {Words.List(LinearMap.AllTargets.Select(Words.Of))}.", nameof(targets));
        maps = LinearMap.Of(LearntNumbers.Layers(model, layers), targets);
        (Rank, Alpha, this.seed, numbers) = (rank, alpha ?? rank, seed, new LearntNumbers(model.Device));
        using var generator = new Generator(unchecked((ulong)seed), CPU);
        foreach (var map in maps)
        {
            int inputs = map.Inputs(model.Config), outputs = map.Outputs(model.Config);
            double bound = 1 / Math.Sqrt(inputs); // Kaiming uniform with a = sqrt(5): sqrt(6 / ((1 + 5) in))
            pairs.Add((numbers.Add(map.Name("lora_A"), empty(rank, inputs).uniform_(-bound, bound, generator)), numbers.Zeros(map.Name("lora_B"), outputs, rank)));
        }
    }

    /// <inheritdoc/>
    public string Method => "lora";

    /// <summary>r.</summary>
    public int Rank { get; }

    /// <summary>alpha; what is added is multiplied by alpha / r.</summary>
    public double Alpha { get; }

    internal IReadOnlyList<LinearMap> Maps => maps;

    internal long Seed => seed;

    /// <inheritdoc/>
    public IReadOnlyList<HookPoint> Hooks => [.. maps.SelectMany(m => (HookPoint[])[m.From, m.To])];

    /// <inheritdoc/>
    public IReadOnlyList<HookPoint> Reads => [.. maps.Select(m => m.From)];

    /// <summary><c>blocks.1.qkv.lora_A</c>, <c>[r, in]</c>, <c>blocks.1.qkv.lora_B</c>, <c>[out, r]</c>, ...</summary>
    public IReadOnlyDictionary<string, Tensor> Parameters => numbers.ByName;

    /// <summary>r (in + out) for each map.</summary>
    public long TrainableParameters => numbers.Count;

    /// <inheritdoc/>
    public TokenPositions Positions { get; init; }

    /// <inheritdoc/>
    public Tap Tap(Tensor? where = null) => LinearMap.Adding(maps, where, (i, x) => linear(linear(x, pairs[i].A), pairs[i].B) * (Alpha / Rank));

    /// <inheritdoc/>
    public Tap? Rest() => null;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Identity => new Dictionary<string, string>
    {
        ["method"] = Method,
        ["maps"] = Words.List(maps.Select(m => m.Name($"r{Rank}"))),
        ["alpha"] = FormattableString.Invariant($"{Alpha}"),
        ["seed"] = FormattableString.Invariant($"{seed}"),
        ["positions"] = Words.Of(Positions),
    };

    /// <inheritdoc/>
    public void Dispose() => numbers.Dispose();
}
