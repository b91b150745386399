using Parsimony.Autoencoders;
using Parsimony.Exploration;
using Parsimony.Models;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Exploration;

public sealed class LatentSurveyTests
{
    [Fact]
    public void A_survey_in_batches_equals_one_over_all()
    {
        using var model = Some.Model();
        using var sae = StandardSae.Create(16, 24, 11);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var contexts = Some.Contexts(count: 7);
        var at = new HookPoint(1, HookSite.ResidPost);
        var survey = LatentSurvey.Measure(model, at, sae, contexts, batchContexts: 3);
        var f = sae.Encode(model.Activations(at, stack(contexts.Select(c => tensor(c.Select(id => (long)id).ToArray())))));
        Assert.Equal((f > 0).sum([0, 1]).data<long>().ToArray().Select(n => n / 84.0), survey.Density);
        Assert.Equal((f > 0).any(1, keepdim: false).sum([0]).data<long>().ToArray(), survey.ContextsFired);
        Assert.Equal(84, survey.TokensSeen);
        var ids = contexts.SelectMany(c => c).ToArray();
        Assert.Equal(f.flatten(0, 1).argmax(0).data<long>().ToArray().Select((place, i) => survey.Density[i] > 0 ? ids[place] : -1), survey.PeakToken);
        foreach (var (expected, max) in f.amax([0, 1]).data<float>().ToArray().Zip(survey.MaxActivation)) Assert.Equal(expected, max, 1e-5);
    }

    [Fact]
    public void Latents_are_chosen_from_rare_to_frequent_by_their_peak()
    {
        // Four latents to choose from, a dead one, one that fires in two contexts only, and one that is always on.
        var survey = Survey([0.04, 0, 0.001, 0.02, 0.9, 0.0005, 0.002], [9, 0, 5, 7, 99, 50, 6], [30, 0, 4, 20, 100, 2, 8]);
        Assert.Equal([6, 0], survey.Choose(2));
        Assert.Equal([2, 6, 3, 0], survey.Choose(4));
        Assert.Equal([], survey.Choose(0));
    }

    [Fact]
    public void A_feature_of_the_same_strongest_token_is_not_told_twice()
    {
        var survey = Survey([0.001, 0.002, 0.01, 0.02], [5, 1, 9, 3], [9, 9, 9, 9]) with { PeakToken = [7, 8, 7, 5] };
        Assert.Equal([0, 3], survey.Choose(2));
        Assert.Equal([0, 2], (survey with { PeakToken = [7, 7, 7, 7] }).Choose(2));
    }

    [Fact]
    public void Where_few_are_fit_all_that_live_are_taken()
    {
        var survey = Survey([0.5, 0, 0.001], [1, 0, 1], [9, 0, 1]);
        Assert.Equal([2, 0], survey.Choose(10));
        Assert.Empty(Survey([0, 0], [0, 0], [0, 0]).Choose(10));
    }

    private static LatentSurvey Survey(double[] density, float[] max, long[] contexts) =>
        new() { Density = density, MaxActivation = max, ContextsFired = contexts, TokensSeen = 10_000, PeakToken = [.. density.Select((_, i) => i)] };
}
