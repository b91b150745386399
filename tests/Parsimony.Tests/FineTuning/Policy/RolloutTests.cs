using Parsimony.Autoencoders;
using Parsimony.FineTuning;
using Parsimony.FineTuning.Policy;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tests.Splicing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Policy;

public sealed class RolloutTests : IDisposable
{
    private const double Temperature = 0.8;
    private static readonly SamplingOptions Sampling = new() { MaxNewTokens = 9, Temperature = Temperature, Seed = 2 };

    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Transformer model = SomePolicy.Model();
    private readonly StandardSae sae = TinySae.Random();
    private readonly List<RolloutPrompt> prompts = SomePolicy.Prompts();
    private readonly DialAdapter adapter, replacing;

    public RolloutTests()
    {
        DialAdapter In(SpliceMode mode) => DialAdapter.Of(model, [new(TinySae.At, sae)], [SomePolicy.Dials()], new() { Mode = mode });
        (adapter, replacing) = (In(SpliceMode.Delta), In(SpliceMode.Replace));
    }

    private FeatureDials Dials => adapter.Dials[0];

    private DialAdapter Of(SpliceMode mode) => mode is SpliceMode.Delta ? adapter : replacing;

    private Tap Policy(SpliceMode mode = SpliceMode.Delta) => Of(mode).Tap();

    private Rollout Draw(SamplingOptions? sampling = null, int? endOfText = null) =>
        Rollout.Draw(model, Policy(), prompts, sampling ?? Sampling, endOfText, TestContext.Current.CancellationToken);

    /// <summary>Log-softmax of one row alone, from the start, without padding, at the positions that predict its response: <c>[tokens, d_vocab]</c>.</summary>
    private Tensor Fresh(Rollout rollout, int row, Tap? tap)
    {
        int prompt = rollout.Prompts[row].Tokens.Length;
        using var ids = tensor((long[])[.. rollout.Prompts[row].Tokens, .. rollout.Responses[row]]).unsqueeze(0);
        return (model.Forward(ids, tap)[0] / Temperature).log_softmax(-1).narrow(0, prompt - 1, rollout.Responses[row].Length);
    }

    [Fact]
    public void Log_probabilities_of_the_sampling_pass_are_those_of_a_fresh_one()
    {
        using var noGradient = no_grad();
        var rollout = Draw();
        for (int row = 0; row < prompts.Count; row++)
        {
            var fresh = Fresh(rollout, row, Policy());
            for (int t = 0; t < rollout.Responses[row].Length; t++)
                Assert.Equal(fresh[t, rollout.Responses[row][t]].item<float>(), rollout.SampledLogProbs[row, t].item<float>(), 1e-4);
        }
    }

    [Theory]
    [InlineData(SpliceMode.Delta)]
    [InlineData(SpliceMode.Replace)]
    public void From_the_frozen_prefix_everything_is_as_a_fresh_pass_says(SpliceMode mode)
    {
        using var noGradient = no_grad();
        var rollout = Draw();
        Tap? reference = mode is SpliceMode.Delta ? null : Taps.Splice(TinySae.At, sae, mode);
        using var frozen = new FrozenRollout(model, Of(mode), rollout, Temperature);
        var scores = frozen.Score([[3, 0], [1, 4, 2]], keepHidden: true);
        for (int row = 0; row < prompts.Count; row++)
        {
            var (ours, theirs) = (Fresh(rollout, row, Policy(mode)), Fresh(rollout, row, reference));
            var kl = (ours.exp() * (ours - theirs)).sum(-1);
            var entropy = -(ours.exp() * ours).sum(-1);
            var logits = model.Forward(tensor((long[])[.. rollout.Prompts[row].Tokens, .. rollout.Responses[row]]).unsqueeze(0), reference)[0];
            for (int t = 0; t < rollout.Responses[row].Length; t++)
            {
                int id = rollout.Responses[row][t];
                Assert.Equal(ours[t, id].item<float>(), scores.LogProbs[row, t].item<float>(), 1e-4);
                Assert.Equal(theirs[t, id].item<float>(), scores.ReferenceLogProbs[row, t].item<float>(), 1e-4);
                Assert.Equal(kl[t].item<float>(), scores.FullKl[row, t].item<float>(), 1e-4);
                Assert.Equal(entropy[t].item<float>(), scores.Entropies[row, t].item<float>(), 1e-4);
            }
            int first = rollout.Prompts[row].Tokens.Length - 1;               // the hidden states are those the logits come from
            var again = (logits[first] / Temperature).log_softmax(-1);
            Assert.Equal(again[rollout.Responses[row][0]].item<float>(), scores.ReferenceLogProbs[row, 0].item<float>(), 1e-4);
        }
        Assert.Equal(rollout.Mask.shape.Append(16), scores.ReferenceHidden!.shape);
    }

    [Fact]
    public void Scored_in_the_same_company_a_row_has_the_same_bits_with_gradient_and_without()
    {
        var rollout = Draw();
        foreach (bool recompute in (bool[])[false, true])
        {
            using var frozen = new FrozenRollout(model, adapter, rollout, Temperature, recompute);
            long[] rows = [4, 1, 2];
            var scores = frozen.Score([rows, [0, 3]], keepHidden: false);
            using var withGradient = enable_grad();
            var trained = frozen.LogProbs(rows);
            Assert.True(trained.requires_grad);
            Assert.True(trained.detach().SameBits(scores.LogProbs.index_select(0, tensor(rows))));
        }
    }

    [Fact]
    public void Gradients_of_the_dials_agree_with_finite_differences()
    {
        var rollout = Draw();
        using var frozen = new FrozenRollout(model, adapter, rollout, Temperature);
        long[] rows = [0, 1, 2, 3, 4];
        var mask = rollout.Mask;
        var old = frozen.Score([rows], keepHidden: false).LogProbs + Drawn.Normal(5, mask.shape) * 0.05;
        var advantages = Drawn.Normal(6, mask.shape);
        Tensor Loss() => PolicyLoss.Of(frozen.LogProbs(rows), old, advantages, mask, clipRange: 0.9).Loss;
        using var withGradient = enable_grad();
        var gradients = Gradients.Of(Loss(), Dials.Gamma, Dials.Delta);

        using var noGradient = no_grad();
        const float h = 2e-3f;
        double worst = 0, largest = gradients.Max(g => g.abs().max().item<float>());
        for (int latent = 0; latent < TinySae.DSae; latent++)
            for (int dial = 0; dial < 2; dial++)
            {
                using var inner = NewDisposeScope();
                var turned = (dial == 0 ? Dials.Gamma : Dials.Delta)[latent];
                float at = turned.item<float>();
                double Moved(int sign)
                {
                    turned.fill_(at + sign * h);
                    double loss = Loss().item<float>();
                    turned.fill_(at);
                    return loss;
                }
                worst = Math.Max(worst, Math.Abs((Moved(1) - Moved(-1)) / (2 * h) - gradients[dial][latent].item<float>()));
            }
        Assert.True(worst < 0.03 * largest, $"off by {worst:G3}, largest gradient {largest:G3}");
    }

    [Fact]
    public void A_response_ends_with_its_end_of_text_and_what_is_padding_is_told_by_length()
    {
        var free = Draw();
        int end = free.Responses.SelectMany(r => r).GroupBy(id => id).MaxBy(g => g.Count())!.Key;
        var rollout = Draw(endOfText: end);
        Assert.Contains(rollout.Responses, r => r.Length < Sampling.MaxNewTokens);
        foreach (int[] response in rollout.Responses)
        {
            int at = Array.IndexOf(response, end);
            Assert.True(at == response.Length - 1 || (at < 0 && response.Length == Sampling.MaxNewTokens));
        }
        Assert.Equal(rollout.SampledTokens, rollout.Mask.sum().item<long>());
        Assert.True(rollout.SampledLogProbs.masked_select(rollout.Mask.logical_not()).eq(0).all().item<bool>());
        Assert.Equal(free.Responses[0][..rollout.Responses[0].Length], rollout.Responses[0]);
    }

    [Fact]
    public void The_seed_decides_the_rollout()
    {
        Assert.Equal(Draw().Responses, Draw().Responses);
        Assert.NotEqual(Draw().Responses, Draw(Sampling with { Seed = 3 }).Responses);
        Assert.Contains("the temperature is 0", Assert.Throws<ArgumentException>(() => Draw(Sampling with { Temperature = 0 })).Message, StringComparison.Ordinal);
    }

    public void Dispose()
    {
        adapter.Dispose();
        replacing.Dispose();
        sae.Dispose();
        model.Dispose();
        scope.Dispose();
    }
}
