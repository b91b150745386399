using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Analysis;

/// <summary>
/// What each example would do to each dial: the gradient of its scores by gamma and d of every latent. Every row of a batch has dials of its own, so
/// one backward pass through the pre-activations u = c z + d gives the sums over its tokens of g_u z and g_u, row by row.
/// </summary>
internal sealed class ExampleGradients : IDisposable
{
    private readonly IObjective objective;
    private readonly Dictionary<int, (Tensor Gamma, Tensor Shift)> byScore; // [examples, d_sae], float32

    private ExampleGradients(IObjective objective, IReadOnlyList<double[]> scores, Dictionary<int, (Tensor, Tensor)> byScore) =>
        (this.objective, Scores, this.byScore) = (objective, scores, byScore);

    /// <summary>The scores at the same dials; NaN those of parts that were not asked for.</summary>
    public IReadOnlyList<double[]> Scores { get; }

    /// <summary>One forward pass over all examples for scores that share it, one backward pass for each. Memory: 8 bytes times examples times d_sae for each.</summary>
    /// <param name="seam">Model and SAE.</param>
    /// <param name="objective">What is differentiated.</param>
    /// <param name="change">Where.</param>
    /// <param name="batchSize">Examples at a time.</param>
    /// <param name="parts">Indices of the parts whose gradients will be asked for.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    public static ExampleGradients At(
        DialSeam seam, IObjective objective, DialChange change, int batchSize, IEnumerable<int> parts, CancellationToken cancellation)
    {
        using var scope = NewDisposeScope();
        int[] wanted = [.. parts.Select(p => objective.Parts[p].Score).Distinct()];
        int kinds = objective.Parts.Max(p => p.Score) + 1;
        var scores = Enumerable.Range(0, kinds).Select(_ => Enumerable.Repeat(double.NaN, objective.Examples).ToArray()).ToArray();
        var found = new Dictionary<int, (Tensor Gamma, Tensor Shift)>();
        var (scale, shift) = change.Tensors(seam.Device);
        var parted = wanted.ToDictionary(kind => kind, _ => (Gammas: new List<Tensor>(), Shifts: new List<Tensor>()));
        foreach (int[] batch in Enumerable.Range(0, objective.Examples).Chunk(batchSize))
        {
            cancellation.ThrowIfCancellationRequested();
            using var step = NewDisposeScope();
            using var withGradient = enable_grad();
            Tensor Each(Tensor dial) => dial.expand(batch.Length, 1, dial.size(0)).clone().requires_grad_();
            var (c, d) = (Each(scale), Each(shift));
            var dials = seam.WithEach(c, d);
            var each = wanted.Length == 1 ? null : objective.Scores(batch, dials);
            foreach (int kind in wanted)
            {
                var score = each?[kind] ?? objective.Score(kind, batch, dials);
                double[] values = score.detach().cpu().data<double>().ToArray();
                for (int i = 0; i < batch.Length; i++) scores[kind][batch[i]] = values[i];
                var gradients = Gradients.Of(score.sum(), [c, d], keepGraph: kind != wanted[^1]);
                parted[kind].Gammas.Add(gradients[0].squeeze(1).cpu().MoveToOuterDisposeScope());
                parted[kind].Shifts.Add(gradients[1].squeeze(1).cpu().MoveToOuterDisposeScope());
            }
        }
        foreach (var (kind, (gammas, shifts)) in parted) found[kind] = (cat(gammas).DetachFromDisposeScope(), cat(shifts).DetachFromDisposeScope());
        return new ExampleGradients(objective, scores, found);
    }

    /// <summary>The gradient of a part, before its weight, by gamma and by d, <c>[d_sae]</c> each, float64, in the caller's scope.</summary>
    public (Tensor Gamma, Tensor Shift) Of(int part)
    {
        using var scope = NewDisposeScope();
        var slopes = tensor(objective.Slopes(part, Scores));
        var (gamma, shift) = byScore[objective.Parts[part].Score];
        Tensor Sum(Tensor each) => slopes.unsqueeze(0).matmul(each.to(ScalarType.Float64)).squeeze(0).MoveToOuterDisposeScope();
        return (Sum(gamma), Sum(shift));
    }

    /// <summary>What each example adds to the gradient of the whole objective, <c>[examples, d_sae]</c> each, float64, in the caller's scope.</summary>
    public (Tensor Gamma, Tensor Shift) Total()
    {
        using var scope = NewDisposeScope();
        Tensor? gamma = null, shift = null;
        foreach (int part in Weighted(objective))
        {
            var slopes = tensor(objective.Slopes(part, Scores)).unsqueeze(1) * objective.Parts[part].Weight;
            var (g, d) = byScore[objective.Parts[part].Score];
            (g, d) = (g * slopes, d * slopes);
            (gamma, shift) = (gamma is null ? g : gamma + g, shift is null ? d : shift + d);
        }
        return (gamma!.MoveToOuterDisposeScope(), shift!.MoveToOuterDisposeScope());
    }

    /// <summary>The parts that count in the sum.</summary>
    public static IReadOnlyList<int> Weighted(IObjective objective) => [.. Enumerable.Range(0, objective.Parts.Count).Where(p => objective.Parts[p].Weight != 0)];

    public void Dispose()
    {
        foreach (var (gamma, shift) in byScore.Values)
        {
            gamma.Dispose();
            shift.Dispose();
        }
    }
}
