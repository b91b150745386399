using Parsimony.Autoencoders;
using Parsimony.Exploration.Labels;
using Parsimony.Tests.Exploration.Index;
using TorchSharp;
using Xunit;

namespace Parsimony.Tests.Exploration.Labels;

/// <summary>Labels from an index and its model: what they are scored on is true, and nothing but the latent decides them.</summary>
public sealed class LabellerTests : IDisposable
{
    private readonly SomeLatents some = new();

    public void Dispose() => some.Dispose();

    [Fact]
    public void Held_out_and_silent_windows_are_of_no_context_that_made_the_label_and_show_what_the_latent_truly_does()
    {
        var labeller = Labeller();
        var (_, f) = SomeIndex.Latents(some.Model, some.Sae, some.Contexts);
        int scored = 0;
        foreach (int latent in Alive())
        {
            var (examples, windows) = (labeller.Examples(latent), labeller.Windows(latent));
            Assert.Empty(examples.Making.Select(e => e.Context).Intersect(examples.HeldOut.Select(e => e.Context)));
            if (windows is null) continue;
            scored++;
            Assert.InRange(windows.Windows.Count(w => w.Fires), 3, examples.HeldOut.Count);
            Assert.InRange(windows.Windows.Count(w => !w.Fires), 3, 16);
            foreach (var window in windows.Windows)
            {
                Assert.DoesNotContain(window.Context, examples.Contexts);
                int start = Enumerable.Range(0, 16 - window.Tokens.Length + 1).First(s => some.Contexts[window.Context].AsSpan(s, window.Tokens.Length).SequenceEqual(window.Tokens));
                for (int t = 0; t < window.Tokens.Length; t++) Assert.Equal(f[window.Context][start + t][latent], window.Activations[t], 1 / 400f * (1 + window.Activations[t]));
            }
            foreach (var m in windows.Marks)
            {
                Assert.NotEmpty(m.Marks);
                Assert.All(m.Marks, t => Assert.Equal(m.IsRight, m.Window.Activations[t] > 0));
            }
            Assert.Equal(windows.Windows.Count(w => w.Fires), windows.Marks.Count(m => m.IsRight));
        }
        Assert.InRange(scored, 3, 32);
    }

    [Fact]
    public void Who_foretells_the_truth_has_1_and_who_foretells_always_the_same_one_half_and_no_correlation()
    {
        var labeller = Labeller();
        var windows = Alive().Select(labeller.Windows).First(w => w is not null)!;
        var truth = new Oracle(tokens => windows.Windows.First(w => w.Tokens.SequenceEqual(tokens)).Activations);
        var perfect = windows.Score(truth);
        Assert.Equal((1, 1), (perfect.Detection.BalancedAccuracy, perfect.Fuzzing.BalancedAccuracy));
        Assert.Equal(1, perfect.Pearson!.Value, 1e-9);
        Assert.Equal(1, perfect.Spearman!.Value, 1e-9);
        foreach (float always in (float[])[0, 3])
        {
            var constant = windows.Score(new Oracle(tokens => [.. tokens.Select(_ => always)]));
            Assert.Equal((0.5, 0.5, 0, 0), (constant.Detection.BalancedAccuracy, constant.Fuzzing.BalancedAccuracy, constant.Pearson!.Value, constant.Spearman!.Value));
        }
    }

    [Fact]
    public void A_label_depends_on_neither_the_latents_before_it_nor_their_order()
    {
        int[] alive = Alive();
        var forwards = Labeller();
        var each = alive.Select(i => forwards.Label(i)).ToList();
        var backwards = Labeller();
        for (int i = alive.Length - 1; i >= 0; i -= 3) Assert.Equal(each[i].Select(Timeless), backwards.Label(alive[i]).Select(Timeless));
        Assert.Equal(each[0].Select(Timeless), Labeller().Label(alive[0]).Select(Timeless));
        Assert.All(each, labels => Assert.Equal([LabelMethod.Tokens, LabelMethod.Pattern], labels.Select(l => l.Method)));
        Assert.Contains(each, labels => labels[0].Scores?.Shuffled is not null);
    }

    [Fact]
    public void The_model_is_asked_what_a_latent_does_on_texts_of_any_length()
    {
        var probe = new LatentProbe(some.Model, SomeIndex.At, some.Sae);
        int[][] texts = [some.Contexts[0], some.Contexts[1][..3], some.Contexts[2][..1], some.Contexts[3][..3]];
        var all = probe.All(4, texts);
        float[] last = probe.Last(4, texts);
        for (int i = 0; i < texts.Length; i++)
        {
            float[] truth = [.. SomeIndex.Latents(some.Model, some.Sae, [texts[i]]).F[0].Select(f => f[4])];
            Assert.Equal(texts[i].Length, all[i].Length);
            for (int t = 0; t < truth.Length; t++) Assert.Equal(truth[t], all[i][t], 1e-5);
            Assert.Equal(truth[^1], last[i], 1e-5);
        }
    }

    [Fact]
    public void A_silent_latent_has_no_labels_and_a_wrong_one_is_refused()
    {
        using var scope = torch.NewDisposeScope();
        using var silent = new StandardSae(some.Sae.WEnc, some.Sae.WDec, some.Sae.BEnc - 1e4, some.Sae.BDec);
        using var empty = SomeIndex.Make(some.Folder.File("silent"), some.Model, silent, some.Contexts, SomeLatents.Kept);
        Assert.Empty(new Labeller(empty, some.Model, silent, some.Tokenizer).Label(0));
        Assert.Contains("latents 0 to 31", Assert.Throws<ArgumentOutOfRangeException>(() => Labeller().Label(32)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => Labeller().Predictor(0, LabelMethod.Explainer));
        Assert.Contains("silent_windows is 1", Assert.Throws<ArgumentException>(() => Labeller(new() { SilentWindows = 1 })).Message, StringComparison.Ordinal);
        using var other = Some.Sae(dSae: 8);
        Assert.Contains("the index 32", Assert.Throws<ArgumentException>(() => new Labeller(some.Index, some.Model, other, some.Tokenizer)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Labels_leave_no_tensors_behind()
    {
        var labeller = Labeller();
        int[] alive = Alive();
        labeller.Label(alive[0]);
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        foreach (int latent in alive[1..8]) labeller.Label(latent);
        _ = Labeller();
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    private static AutomaticLabel Timeless(AutomaticLabel label) => label with { Made = default };

    private int[] Alive() => some.Alive();

    private Labeller Labeller(LabellingOptions? options = null) => some.Labeller(options);

    private sealed class Oracle(Func<IReadOnlyList<int>, float[]> says) : ITokenPredictor
    {
        public string Text => "";

        public float[] Predict(IReadOnlyList<int> tokens) => says(tokens);
    }
}
