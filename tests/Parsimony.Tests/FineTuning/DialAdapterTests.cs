using Parsimony.Autoencoders;
using Parsimony.FineTuning;
using Parsimony.FineTuning.Policy;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tests.FineTuning.Policy;
using Parsimony.Tests.Splicing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning;

/// <summary>Dials on several hook points, at some positions, with shifts in their own unit.</summary>
public sealed class DialAdapterTests : IDisposable
{
    private static readonly HookPoint Second = new(2, HookSite.ResidPost);
    private static readonly SftOptions Options = new() { Steps = 8, BatchSize = 3, SequenceLength = 12, LearningRate = 1e-2, LogEverySteps = 4, CheckpointEverySteps = 3 };

    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Transformer model = SomePolicy.Model();
    private readonly StandardSae first = TinySae.Random(), second = TinySae.Random(seed: 9);
    private readonly string folder = Directory.CreateTempSubdirectory().FullName;
    private readonly List<SftExample> train = [.. Some.Contexts(6, seed: 1).Select((row, i) => new SftExample(row, 1 + i % 5))];

    private SplicedSae[] Both => [new(Second, second), new(TinySae.At, first)]; // in no order

    private DialAdapter New(DialOptions? options = null, params SplicedSae[] saes) => new(model, saes is [] ? Both : saes, options ?? new());

    /// <summary>Away from rest, at both hook points.</summary>
    private DialAdapter Turned(DialOptions options)
    {
        var adapter = New(options);
        using var noGradient = no_grad();
        foreach (var (i, p) in adapter.Parameters.Values.Index()) p.copy_(Drawn.Normal(20 + i, p.shape) * 0.2);
        return adapter;
    }

    [Fact]
    public void At_rest_in_delta_mode_several_saes_change_no_bit_and_in_replace_mode_their_errors_add_up()
    {
        using var noGradient = no_grad();
        using var delta = New();
        using var replace = New(new() { Mode = SpliceMode.Replace });
        var tokens = Some.Tokens();
        var plain = model.Forward(tokens);
        Assert.True(model.Forward(tokens, delta.Tap()).SameBits(plain));
        Assert.Null(delta.Rest());
        Assert.True(model.Forward(tokens, replace.Tap()).SameBits(model.Forward(tokens, replace.Rest())));
        Assert.Equal([TinySae.At, Second], delta.Hooks);

        using var prefixes = new PrefixCache(model, TinySae.At, 0);
        var inserted = InsertedSaes.Measure(model, delta.Saes, prefixes, train, 2)!;
        Assert.Equal([0, 1, 2], inserted.Select(i => i.Count));
        Assert.All(inserted, i => Assert.Equal(inserted[0].Delta, i.Delta));
        Assert.Equal(inserted[0].Replace, inserted[0].Delta);
        Assert.Equal(3, inserted.Select(i => i.Replace).Distinct().Count());
    }

    [Fact]
    public void Dials_on_two_hook_points_learn_together_resumed_or_not()
    {
        DialAdapter Fit(string? into, long steps)
        {
            var adapter = New();
            new SftTrainer(model, adapter, Options with { Steps = steps }).Train(train, [], into);
            return adapter;
        }
        using var whole = Fit(null, 8);
        Fit(folder, 5).Dispose();
        using var resumed = Fit(folder, 8);
        Assert.All(whole.Parameters, p => Assert.True(p.Value.SameBits(resumed.Parameters[p.Key]), p.Key));
        Assert.All(whole.Parameters.Values, p => Assert.True(p.count_nonzero().item<long>() > 0));
        Assert.Equal(2 * (first.DSae + second.DSae), whole.TrainableParameters);
        using var alone = New(null, Both[1]);
        Assert.Contains("the sae differs", Assert.Throws<InvalidDataException>(() => new SftTrainer(model, alone, Options).Train(train, [], folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Recomputing_what_lies_between_the_hook_points_gives_the_same_bits()
    {
        DialAdapter Fit(bool recompute)
        {
            var adapter = New();
            new SftTrainer(model, adapter, Options with { Recompute = recompute }).Train(train, []);
            return adapter;
        }
        using var kept = Fit(false);
        using var again = Fit(true);
        Assert.All(kept.Parameters, p => Assert.True(p.Value.SameBits(again.Parameters[p.Key]), p.Key));
    }

    [Theory]
    [InlineData(SpliceMode.Delta)]
    [InlineData(SpliceMode.Replace)]
    public void Where_dials_do_not_act_the_activation_is_what_it_is_at_rest(SpliceMode mode)
    {
        using var noGradient = no_grad();
        using var adapter = Turned(new() { Mode = mode });
        var tokens = Some.Tokens();
        var where = zeros(tokens.shape, ScalarType.Bool);
        where.narrow(1, 5, 4).fill_(true);
        Tensor At(Tap? tap)
        {
            Tensor? seen = null;
            model.Forward(tokens, Taps.Chain([tap ?? ((_, x) => x), Taps.Record(TinySae.At, x => seen = x.clone().DetachFromDisposeScope())]));
            return seen!;
        }
        var (some, all, rest) = (At(adapter.Tap(where)), At(adapter.Tap()), At(adapter.Rest()));
        Assert.True(some.narrow(1, 5, 4).SameBits(all.narrow(1, 5, 4)));
        Assert.True(some.narrow(1, 0, 5).SameBits(rest.narrow(1, 0, 5)) && some.narrow(1, 9, 3).SameBits(rest.narrow(1, 9, 3)));
        Assert.False(all.narrow(1, 0, 5).SameBits(rest.narrow(1, 0, 5)));
        Assert.Contains("Expected [batch, seq] of the same pass", Assert.Throws<ArgumentException>(() => model.Forward(tokens, adapter.Tap(where.narrow(1, 0, 3)))).Message, StringComparison.Ordinal);
        foreach (var t in (Tensor[])[some, all, rest]) t.Dispose();
    }

    [Theory]
    [InlineData(TokenPositions.Prompt)]
    [InlineData(TokenPositions.Response)]
    public void A_rollout_of_dials_that_act_at_some_positions_is_scored_as_it_was_sampled(TokenPositions positions)
    {
        using var noGradient = no_grad();
        using var adapter = Turned(new() { Positions = positions });
        using var everywhere = Turned(new());
        var prompts = SomePolicy.Prompts();
        var sampling = new SamplingOptions { MaxNewTokens = 7, Temperature = 1, Seed = 5 };
        Rollout Draw(IAdapter by) => Rollout.Draw(model, by.WhileGenerating(prompts.Max(p => p.Tokens.Length)), prompts, sampling, null, TestContext.Current.CancellationToken);
        double Difference(Rollout rollout, IAdapter by)
        {
            using var frozen = new FrozenRollout(model, by, rollout, 1);
            var scores = frozen.Score([[0, 1, 2], [3, 4]], keepHidden: false);
            return (scores.LogProbs - rollout.SampledLogProbs).abs().max().item<float>();
        }
        var rollout = Draw(adapter);
        Assert.InRange(Difference(rollout, adapter), 0, 1e-4);
        Assert.True(Difference(rollout, everywhere) > 1e-3);
        Assert.NotEqual(rollout.SampledLogProbs.Floats(), Draw(everywhere).SampledLogProbs.Floats());
        Assert.Contains("Generate with the cache", Assert.Throws<InvalidOperationException>(() => Generation.Generate(
            model, [.. prompts.Select(p => p.Tokens)], sampling with { UseCache = false }, adapter.WhileGenerating(prompts.Max(p => p.Tokens.Length)),
            cancellation: TestContext.Current.CancellationToken)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Examples_whose_dials_act_at_the_prompt_learn_otherwise_than_those_of_the_response()
    {
        double Loss(TokenPositions positions)
        {
            using var adapter = New(new() { Positions = positions });
            return new SftTrainer(model, adapter, Options).Train(train, train).HeldOutAfter;
        }
        Assert.Equal(3, ((TokenPositions[])[TokenPositions.All, TokenPositions.Prompt, TokenPositions.Response]).Select(Loss).Distinct().Count());
    }

    [Fact]
    public void A_shift_in_a_latents_own_unit_is_that_unit_times_what_is_learnt_and_starts_at_the_same_gradient()
    {
        using var adapter = New(new() { ShiftUnit = ShiftUnit.Activation }, Both[1]);
        using var plain = New(null, Both[1]);
        adapter.Prepare(model, train.Select(e => model.RunTo(TinySae.At, tensor(e.Tokens.Select(id => (long)id).ToArray()).unsqueeze(0))));
        var (x, z) = (train.Select(e => model.Activations(TinySae.At, tensor(e.Tokens.Select(id => (long)id).ToArray()).unsqueeze(0))).ToList(), adapter.Dials[0].Unit!);
        var f = first.Encode(cat(x, 1)).view(-1, first.DSae);
        var mean = (f.sum([0L]) / f.gt(0).sum([0L])).nan_to_num(1);
        Assert.True(mean.allclose(z, 1e-5, 1e-6));

        var tokens = Some.Tokens();
        IList<Tensor> Gradient(DialAdapter of) => Gradients.Of(NextTokenLoss.Mean(model.Forward(tokens, of.Tap()), tokens), [.. of.Parameters.Values]);
        var (inUnit, inOne) = (Gradient(adapter), Gradient(plain));
        Assert.True(inUnit[0].allclose(inOne[0], 1e-4, 1e-7));
        Assert.True(inUnit[1].allclose(inOne[1] * z, 1e-4, 1e-7));
        Assert.Throws<InvalidOperationException>(() =>
        {
            using var noGradient = no_grad();
            adapter.Dials[0].Delta.fill_(1);
            adapter.Dials[0].CountShiftIn(z);
        });
    }

    [Fact]
    public void Saes_that_do_not_fit_together_are_refused()
    {
        Assert.Contains("2 SAEs are at blocks.1.mlp_out", Assert.Throws<ArgumentException>(() => New(null, Both[1], Both[1])).Message, StringComparison.Ordinal);
        Assert.Contains("there is no SAE", Assert.Throws<ArgumentException>(() => new DialAdapter(model, [], new())).Message, StringComparison.Ordinal);
        using var dials = new FeatureDials(TinySae.At, 7);
        Assert.Contains("the dials are for 7 latents", Assert.Throws<ArgumentException>(() => DialAdapter.Of(model, [Both[1]], [dials], new())).Message, StringComparison.Ordinal);
        using var fitting = new FeatureDials(TinySae.At, first.DSae);
        Assert.Contains("there are no dials for blocks.2.resid_post", Assert.Throws<ArgumentException>(() => DialAdapter.Of(model, Both, [fitting], new())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void No_tensor_is_left_behind()
    {
        void Once()
        {
            using var adapter = New(new() { MinFirings = 2, ShiftUnit = ShiftUnit.Activation, FreezeLatents = [1], GroupLasso = 0.1, Positions = TokenPositions.Response });
            new SftTrainer(model, adapter, Options).Train(train, train);
        }
        Once();
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        Once();
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    public void Dispose()
    {
        Directory.Delete(folder, recursive: true);
        foreach (var owned in (IDisposable[])[first, second, model, scope]) owned.Dispose();
    }
}
