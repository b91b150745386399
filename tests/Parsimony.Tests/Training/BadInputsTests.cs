using Parsimony.Autoencoders;
using Parsimony.Models;
using Parsimony.Training;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Training;

public sealed class BadInputsTests
{
    [Fact]
    public void Dictionary_learnings_resampling_is_reproduced()
    {
        using var scope = NewDisposeScope();
        using var reference = SafetensorsFile.Open(Shared.Path("fixtures/sae/resample.safetensors"));
        Tensor At(string name) => reference.Read(name);
        var x = At("batch");
        using var sae = new StandardSae(At("before.W_enc"), At("before.W_dec"), At("before.b_enc"), At("before.b_dec"));
        AssertClose(At("weights_for_sampling"), BadInputs.Weights(sae.Reconstruct(x) - x, x, x, DeadLatentCure.DictionaryLearning));

        var living = sae.WEnc.index_select(1, At("deads").logical_not().nonzero().reshape(-1));
        var drawn = x.index_select(0, At("sampled_indices"));
        var (columns, rows) = BadInputs.Toward(drawn, drawn, living, DeadLatentCure.DictionaryLearning);
        using var step = new DenseStep(sae, new SaeTrainingOptions());
        step.Replace(At("dead_indices"), columns, rows);
        foreach (string name in (string[])["W_enc", "W_dec", "b_enc", "b_dec"]) AssertClose(At($"after.{name}"), step.State()[name]);
    }

    [Fact]
    public void Anthropics_draws_by_squared_loss_and_starts_encoders_at_a_fifth_of_the_livings_norm()
    {
        using var scope = NewDisposeScope();
        var (x, residual) = (Drawn.Normal(1, 50, 6), Drawn.Normal(2, 50, 6));
        var weights = BadInputs.Weights(residual, x, x, DeadLatentCure.Anthropic);
        var loss = residual.square().sum([1L]);
        AssertClose(loss.square() / loss.square().sum(), weights / weights.sum());

        var living = Drawn.Normal(3, 6, 9);
        var (columns, rows) = BadInputs.Toward(x, x, living, DeadLatentCure.Anthropic);
        AssertClose(x / x.norm(1, keepdim: true), rows);
        AssertClose(rows.t() * living.norm(0).mean() * 0.2, columns);
    }

    [Fact]
    public void Draws_follow_the_weights_and_never_take_a_token_twice()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(1, CPU);
        var weights = tensor(new float[] { 0, 1, 2, 3, 4, 0 });
        int[] first = new int[6];
        for (int i = 0; i < 4000; i++)
        {
            long[] drawn = BadInputs.Draw(weights, 3, generator).data<long>().ToArray();
            Assert.Equal(3, drawn.Distinct().Count());
            first[drawn[0]]++;
        }
        double chi = Enumerable.Range(1, 4).Sum(i => Math.Pow(first[i] - 400.0 * i, 2) / (400.0 * i));
        Assert.True(chi < 16.3, $"chi squared {chi:0.0} at 3 degrees of freedom; above 16.3 once in 1,000 draws"); // the seed is fixed
        Assert.Equal(4, BadInputs.Draw(weights, 6, generator).shape[0]);
        Assert.Equal(0, BadInputs.Draw(zeros(5), 3, generator).shape[0]);
    }

    [Theory]
    [InlineData(DeadLatentCure.Anthropic)]
    [InlineData(DeadLatentCure.Kaiming)]
    [InlineData(DeadLatentCure.Never)]
    public void A_run_brings_dead_latents_back_as_it_was_asked_to(DeadLatentCure cure)
    {
        using var scope = NewDisposeScope();
        var options = new SaeTrainingOptions
        {
            DSae = 24,
            LearningRate = 1e-3,
            Resampling = cure,
            ResampleEverySteps = 10,
            ResampleLookBackSteps = 5,
            TrainingTokens = 32 * 21,
            LogEverySteps = 1,
        };
        using var born = Some.Sae(8, 24);
        using var start = new StandardSae(born.WEnc, born.WDec, where(arange(24) < 6, -100f, 0f), born.BDec); // six that never fire
        var lines = new List<TrainingProgress>();
        using var trainer = new SaeTrainer(options, new TensorSource(Drawn.Normal(5, 500, 8), 32), new HookPoint(1, HookSite.MlpOut), step: new DenseStep(start, options));
        using var trained = trainer.Train(new Told<TrainingProgress>(lines.Add));
        Assert.Equal(6.0 / 24, lines[8].DeadFraction);
        Assert.Equal(cure == DeadLatentCure.Never ? 0 : 6, lines[10].Resampled);
        Assert.Equal(cure == DeadLatentCure.Never ? 0.25 : 0, lines[10].DeadFraction);
    }

    private static void AssertClose(Tensor expected, Tensor actual)
    {
        Assert.Equal(expected.shape, actual.shape);
        double difference = (expected - actual).abs().max().item<float>(), size = expected.abs().max().item<float>();
        Assert.True(difference <= 1e-5 * size, $"differs by {difference:g3} of {size:g3}");
    }
}
