using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Tools.LanguageModel;

/// <summary>Peak learning rates and the other constants of <see cref="LmOptimizer"/>.</summary>
public sealed record LmOptimizerOptions
{
    /// <summary>Muon's, for the matrices inside the layers; default 0.02.</summary>
    public double MatrixLearningRate { get; init; } = 0.02;
    /// <summary>Adam's, for the embedding and the unembedding; default 0.006.</summary>
    public double EmbeddingLearningRate { get; init; } = 6e-3;
    /// <summary>Adam's, for gains and biases; default 0.003.</summary>
    public double VectorLearningRate { get; init; } = 3e-3;
    /// <summary>Decoupled weight decay of everything two-dimensional, times the learning rate; default 0.1.</summary>
    public double WeightDecay { get; init; } = 0.1;
}

/// <summary>
/// Muon (Jordan et al. 2024; momentum 0.95, Nesterov) for the matrices inside the layers, Adam (betas 0.9 and 0.95) for the rest.
/// Query, key and value matrices are orthogonalised one by one.
/// </summary>
public sealed class LmOptimizer : IDisposable
{
    private const double Momentum = 0.95, Beta1 = 0.9, Beta2 = 0.95, Epsilon = 1e-8;
    private readonly GptNeoXConfig config;
    private readonly TrainableWeights weights;
    private readonly LmOptimizerOptions options;

    /// <summary>The state, by name: <c>NAME.momentum</c> for matrices, <c>NAME.exp_avg</c> and <c>NAME.exp_avg_sq</c> for the rest.</summary>
    public IReadOnlyDictionary<string, Tensor> State => state;
    private readonly Dictionary<string, Tensor> state = [];

    /// <summary>A new optimiser with zero state.</summary>
    public LmOptimizer(GptNeoXConfig config, TrainableWeights weights, LmOptimizerOptions options)
    {
        (this.config, this.weights, this.options) = (config, weights, options);
        foreach (var (name, parameter) in weights.Parameters)
            foreach (string part in IsMatrix(name) ? (string[])["momentum"] : ["exp_avg", "exp_avg_sq"])
                state[$"{name}.{part}"] = zeros(parameter.shape).DetachFromDisposeScope();
    }

    private bool IsMatrix(string name) =>
        name.Contains(".layers.", StringComparison.Ordinal) && weights.Parameters[name].dim() == 2;

    /// <summary>One update from the gradients, which are set to zero after.</summary>
    /// <param name="step">Counts from 1 (Adam's bias correction).</param>
    /// <param name="scale">What the schedule says, 0 to 1.</param>
    public void Step(long step, double scale)
    {
        using var nograd = no_grad();
        using var scope = NewDisposeScope();
        MuonStep(scale);
        foreach (var (name, parameter) in weights.Parameters.Where(p => !IsMatrix(p.Key))) AdamStep(name, parameter, step, scale);
        foreach (var parameter in weights.Parameters.Values) parameter.grad!.zero_();
    }

    private void MuonStep(double scale)
    {
        var wide = new Dictionary<(long, long), List<(Tensor Parameter, Tensor Update, bool Turned)>>();
        foreach (var (name, parameter) in weights.Parameters.Where(p => IsMatrix(p.Key)))
        {
            var g = parameter.grad!;
            var momentum = state[$"{name}.momentum"];
            momentum.mul_(Momentum).add_(g, alpha: 1 - Momentum);
            var update = g.mul(1 - Momentum).add_(momentum, alpha: Momentum); // Nesterov
            foreach (var (p, part) in Split(name, parameter).Zip(Split(name, update)))
            {
                var u = part.reshape(-1, part.size(-1));
                bool turned = u.size(0) > u.size(1);
                var flat = turned ? u.t() : u;
                var key = (flat.size(0), flat.size(1));
                if (!wide.TryGetValue(key, out var list)) wide[key] = list = [];
                list.Add((p, flat, turned));
            }
        }
        double rate = options.MatrixLearningRate * scale;
        foreach (var group in wide.Values)
        {
            var orthogonal = Orthogonalise.NewtonSchulz(stack(group.Select(m => m.Update).ToArray()));
            for (int i = 0; i < group.Count; i++)
            {
                var (p, _, turned) = group[i];
                var o = turned ? orthogonal[i].t() : orthogonal[i];
                double size = Math.Sqrt(Math.Max(1.0, o.size(0) / (double)o.size(1)));
                p.mul_(1 - rate * options.WeightDecay).add_(o.reshape(p.shape), alpha: -rate * size);
            }
        }
    }

    /// <summary>The matrices a parameter consists of, as views: query, key and value apart (rows go head by head, q k v in turn).</summary>
    private IEnumerable<Tensor> Split(string name, Tensor t)
    {
        if (!name.EndsWith("query_key_value.weight", StringComparison.Ordinal)) return [t];
        var heads = t.view(config.NHeads, 3, config.DHead, config.DModel);
        return Enumerable.Range(0, 3).Select(part => heads.select(1, part));
    }

    private void AdamStep(string name, Tensor parameter, long step, double scale)
    {
        bool table = parameter.dim() == 2;
        double rate = scale * (table ? options.EmbeddingLearningRate : options.VectorLearningRate);
        var g = parameter.grad!;
        Tensor mean = state[$"{name}.exp_avg"], square = state[$"{name}.exp_avg_sq"];
        mean.mul_(Beta1).add_(g, alpha: 1 - Beta1);
        square.mul_(Beta2).addcmul_(g, g, 1 - Beta2);
        double correction1 = 1 - Math.Pow(Beta1, step), correction2 = 1 - Math.Pow(Beta2, step);
        var denominator = square.sqrt().mul_(1 / Math.Sqrt(correction2)).add_(Epsilon);
        if (table) parameter.mul_(1 - rate * options.WeightDecay);
        parameter.addcdiv_(mean, denominator, -rate / correction1);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var t in state.Values) t.Dispose();
    }
}
