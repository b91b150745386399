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
        AssertClose(weights, BadInputs.Weights(residual * 1e15, x, x, DeadLatentCure.Anthropic) * 1e-60); // comparable from batch to batch, whatever its size

        var living = Drawn.Normal(3, 6, 9);
        var (columns, rows) = BadInputs.Toward(x, x, living, DeadLatentCure.Anthropic);
        AssertClose(x / x.norm(1, keepdim: true), rows);
        AssertClose(rows.t() * living.norm(0).mean() * 0.2, columns);
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
        double difference = (expected - actual).abs().max().to(ScalarType.Float64).item<double>(), size = expected.abs().max().to(ScalarType.Float64).item<double>();
        Assert.True(difference <= 1e-5 * size, $"differs by {difference:g3} of {size:g3}");
    }
}
