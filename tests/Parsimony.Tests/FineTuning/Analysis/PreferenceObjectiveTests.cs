using Parsimony.FineTuning;
using Parsimony.FineTuning.Analysis;
using Parsimony.FineTuning.Preference;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tests.Splicing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Analysis;

public sealed class PreferenceObjectiveTests
{
    [Fact]
    public void It_is_the_trainers_loss_ln_2_at_rest_and_its_slopes_are_derivatives()
    {
        using var scope = NewDisposeScope();
        using var model = Some.Model();
        using var sae = TinySae.Random();
        using var prefixes = new PrefixCache(model, TinySae.At, 0);
        var seam = new DialSeam(prefixes, sae, SpliceMode.Delta);
        List<PreferencePair> pairs = [new([1, 2], [3, 4, 5], [6, 7]), new([], [8, 9], [1, 2, 3]), new([4], [5], [6, 7, 8])];
        var objective = new PreferenceObjective(seam, pairs, beta: 0.5, batchSize: 2, cancellation: TestContext.Current.CancellationToken);
        Assert.Equal(Math.Log(2), objective.Measure(seam, DialChange.None(TinySae.DSae), 2, default).Total, 1e-9);

        using var adapter = new DialAdapter(model, [new(TinySae.At, sae)], new());
        using (no_grad())
            foreach (var (i, p) in adapter.Parameters.Values.Index()) p.copy_(Drawn.Normal(i, p.shape) * 0.3);
        var change = DialChange.Of(adapter.Dials[0].Scale().detach(), adapter.Dials[0].Shift().detach());
        var measured = new DpoTrainer(model, adapter, new DpoOptions { Steps = 0, Beta = 0.5, BatchSize = 3 }).Train(pairs, pairs, cancellation: TestContext.Current.CancellationToken).After;
        var value = objective.Measure(seam, change, 2, default);
        Assert.Equal(measured.Loss, value.Total, 1e-5);
        Assert.Equal(measured.Margin / 0.5, value.Parts["margin"], 1e-4);

        Assert.True(value.Parts["kl"] > 0);
        double[] scores = [0.3, -2, 1.1], none = [0, 0, 0];
        double[] slopes = objective.Slopes(0, [scores, none]);
        for (int i = 0; i < 3; i++)
        {
            double At(double h) => objective.Combine([[.. scores.Select((s, j) => j == i ? s + h : s)], none]).Total;
            Assert.Equal((At(1e-5) - At(-1e-5)) / 2e-5, slopes[i], 1e-8);
        }
    }
}
