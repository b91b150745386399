using Parsimony.FineTuning;
using Parsimony.FineTuning.Policy;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Policy;

/// <summary>
/// A policy of three independent tokens out of five, rewarded by how many are token 3, under a KL penalty to the uniform policy. What is best is
/// known: p(3) = e^(1/beta) / (e^(1/beta) + 4), for reward minus beta KL is greatest where p is p_ref e^(R / beta), normalised.
/// </summary>
public sealed class BanditTests : IDisposable
{
    private const int Batch = 64, Group = 8, Tokens = 3, Arms = 5, Best = 3;
    private const double Beta = 0.5;
    private static readonly double Optimum = Math.Exp(1 / Beta) / (Math.Exp(1 / Beta) + Arms - 1); // 0.649

    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Generator generator = new(5, CPU);
    private readonly Tensor logits = zeros(Tokens, Arms).requires_grad_();
    private readonly Tensor mask = ones(Batch, Tokens, ScalarType.Bool);
    private readonly Tensor reference = full(Batch, Tokens, -Math.Log(Arms));

    [Fact]
    public void Rloo_reaches_the_optimum() => Reaches(Optimum, steps: 500, (actions, old) =>
    {
        var penalty = Masked.SumPerRow(TokenRewards.Penalty(old - reference, Beta, mask), mask);
        var advantages = GroupAdvantages.LeaveOneOut(Score(actions) + penalty, Group);
        return [() => RlooLoss.Of(LogP(actions), old, advantages, mask).Loss];
    });

    // GRPO's optimum is another. The gradient of k3 as a loss is, on average, that of KL(reference || policy), and a mean that holds the response
    // itself takes 1 / G off what it gains: 1 + b / p = m for the best arm and b / q = m for the others, with b = beta G / (G - 1) / 5.
    private static double GrpoOptimum()
    {
        double b = Beta * Group / (Group - 1) / Arms, sum = 1 + Arms * b;
        double m = (sum + Math.Sqrt(sum * sum - 4 * (Arms - 1) * b)) / 2;
        return b / (m - 1);                                                     // 0.615
    }

    [Fact]
    public void Grpo_reaches_its_optimum() => Reaches(GrpoOptimum(), steps: 500, (actions, old) =>
    {
        var advantages = GroupAdvantages.Of(Score(actions), Group, GroupScaling.None).Advantages;
        return [() => GrpoLoss.Of(LogP(actions), old, advantages, mask, LossAggregation.ConstantLength,
            LossAggregation.ConstantLength.Divisor(Batch, Batch * Tokens, Tokens), klCoefficient: Beta, referenceLogProbs: reference).Loss];
    });

    [Fact]
    public void Ppo_reaches_the_optimum_and_its_critic_the_value_of_each_position()
    {
        using var critic = new ValueHead(Tokens, 0.02);
        var positions = eye(Tokens).unsqueeze(0).expand(Batch, Tokens, Tokens);   // what the critic sees: which token is next
        Reaches(Optimum, steps: 300, (actions, old) =>
        {
            var penalty = TokenRewards.Penalty(KlPenalty.PerToken(KlPenaltyKind.K1, old, reference), Beta, mask);
            var rewards = TokenRewards.WithScores(penalty, Score(actions), mask);
            var oldValues = critic.Values(positions).detach();
            var gae = Gae.Of(rewards, oldValues, mask, lambda: 1); // the critic does not see which tokens came before: not to be leaned on
            var advantages = Whitening.Of(gae.Advantages, mask);
            Tensor Epoch()
            {
                critic.Step(ValueLoss.Of(critic.Values(positions), oldValues, gae.Returns, mask).Loss);
                return PolicyLoss.Of(LogP(actions), old, advantages, mask).Loss;
            }
            return [Epoch, Epoch];
        });
        // What is still to come at position t: the mean score of all three tokens less the KL of those not yet sampled.
        double kl = Math.Log(Arms) + Optimum * Math.Log(Optimum) + (1 - Optimum) * Math.Log((1 - Optimum) / (Arms - 1));
        float[] values = critic.Values(eye(Tokens)).Floats();
        for (int t = 0; t < Tokens; t++) Assert.Equal(Tokens * Optimum - Beta * kl * (Tokens - t), values[t], 0.1);
    }

    private void Reaches(double optimum, int steps, Func<Tensor, Tensor, IEnumerable<Func<Tensor>>> epochs)
    {
        Assert.Equal(0.2f, Chance().Average(), 1e-6f);
        using var optimiser = new AdamW(logits, 0.02);
        var average = new double[Tokens];
        for (int step = 0; step < steps; step++)
        {
            using var one = NewDisposeScope();
            var actions = multinomial(logits.detach().softmax(-1), Batch, replacement: true, generator: generator).t().contiguous(); // [batch, tokens]
            foreach (var loss in epochs(actions, LogP(actions).detach())) optimiser.Step(autograd.grad([loss()], [logits])[0]);
            if (step >= steps - 100)
                for (int t = 0; t < Tokens; t++) average[t] += Chance()[t] / 100;
        }
        Assert.All(average, chance => Assert.Equal(optimum, chance, 0.03));
    }

    private static Tensor Score(Tensor actions) => actions.eq(Best).sum([1L]).to(ScalarType.Float32);

    private Tensor LogP(Tensor actions) => TokenLogProbs.Of(logits.unsqueeze(0).expand(Batch, Tokens, Arms), actions);

    private float[] Chance() => logits.softmax(-1).select(1, Best).Floats();

    public void Dispose()
    {
        generator.Dispose();
        scope.Dispose();
    }
}
