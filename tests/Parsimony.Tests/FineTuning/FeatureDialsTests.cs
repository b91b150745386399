using Parsimony.Autoencoders;
using Parsimony.FineTuning;
using Parsimony.FineTuning.Analysis;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tests.Splicing;
using Parsimony.Tokens;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning;

public sealed class FeatureDialsTests : IDisposable
{
    private readonly Transformer model = Some.Model();
    private readonly StandardSae sae = TinySae.Random();
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Tensor tokens = ContextPacker.ToTensor(Some.Contexts(2));

    [Fact]
    public void Dials_are_the_identity_at_birth_and_outlive_the_scope_they_were_born_in()
    {
        FeatureDials dials;
        using (NewDisposeScope()) dials = new FeatureDials(TinySae.At, TinySae.DSae);
        using (dials)
        {
            Assert.Equal(2 * TinySae.DSae, dials.TrainableParameters);
            Assert.True(dials.Gamma.requires_grad && dials.Shift().requires_grad);
            Assert.True(dials.Scale().SameBits(ones(TinySae.DSae)));
            var plain = model.Forward(tokens);
            Assert.True(plain.SameBits(model.Forward(tokens, dials.Splice(sae, SpliceMode.Delta))));
        }
    }

    [Theory]
    [InlineData(SpliceMode.Replace)]
    [InlineData(SpliceMode.Delta)]
    public void Gradients_agree_with_finite_differences(SpliceMode mode)
    {
        using var generator = new Generator(8, CPU);
        using var dials = FeatureDials.Of(TinySae.At, 1 + randn(TinySae.DSae, generator: generator) * 0.3, randn(TinySae.DSae, generator: generator) * 0.1);
        Tensor Loss(Tensor c, Tensor d) => NextTokenLoss.Mean(model.Forward(tokens, Taps.Splice(TinySae.At, sae, mode, c, d)), tokens);
        var gradients = autograd.grad([Loss(dials.Scale(), dials.Shift())], [dials.Gamma, dials.Delta]);
        using var noGradient = no_grad();
        double worst = 0, largest = gradients.Max(g => g.abs().max().item<float>());
        const float h = 2e-3f; // small, so that few latents cross the ReLU's kink
        foreach (int latent in Enumerable.Range(0, TinySae.DSae))
            for (int dial = 0; dial < 2; dial++)
            {
                var step = zeros(TinySae.DSae);
                step[latent] = h;
                double Moved(int sign) => dial == 0
                    ? Loss(dials.Scale() + sign * step, dials.Shift()).item<float>()
                    : Loss(dials.Scale(), dials.Shift() + sign * step).item<float>();
                double numeric = (Moved(1) - Moved(-1)) / (2 * h);
                worst = Math.Max(worst, Math.Abs(numeric - gradients[dial][latent].item<float>()));
            }
        Assert.True(worst < 0.02 * largest, $"off by {worst:G3}, largest gradient {largest:G3}");
    }

    [Fact]
    public void Gradients_are_the_same_in_both_modes_where_the_output_is()
    {
        using var exact = TinySae.Exact(); // nothing to lose, so replace and delta give the same output
        using var dials = new FeatureDials(TinySae.At, exact.DSae);
        IList<Tensor> Gradients(SpliceMode mode) => autograd.grad(
            [NextTokenLoss.Mean(model.Forward(tokens, dials.Splice(exact, mode)), tokens)], [dials.Gamma, dials.Shift()]);
        var (a, b) = (Gradients(SpliceMode.Replace), Gradients(SpliceMode.Delta));
        for (int i = 0; i < 2; i++) Assert.True(TinySae.Distance(a[i], b[i]) < 1e-7);
    }

    [Fact]
    public void A_latent_that_is_off_on_all_tokens_has_no_gradient()
    {
        using var off = TinySae.Random();
        off.BEnc.sub_(1000);
        using var dials = new FeatureDials(TinySae.At, off.DSae);
        var loss = NextTokenLoss.Mean(model.Forward(tokens, dials.Splice(off, SpliceMode.Replace)), tokens);
        foreach (var gradient in autograd.grad([loss], [dials.Gamma, dials.Delta])) Assert.Equal(0, gradient.abs().sum().item<float>());
    }

    [Fact]
    public void Movement_counts_what_was_silenced_and_what_was_woken_and_weighs_it_by_the_decoder()
    {
        using var prefixes = new PrefixCache(model, TinySae.At, 1 << 20);
        var rows = Some.Contexts(3);
        var (c, d) = (ones(TinySae.DSae), zeros(TinySae.DSae));
        d[4] = -1000;
        d[9] = 2;
        using var half = TinySae.Random();
        half.BEnc[9] = -100; // off everywhere, and 2 is not enough to wake it
        half.BEnc[11] = -100;
        d[11] = 101;
        using var dials = FeatureDials.Of(TinySae.At, c, d);
        var moved = DialEffects.Measure(new DialSeam(prefixes, half, SpliceMode.Delta), DialChange.Of(dials.Scale(), dials.Shift()), [.. rows.Select(row => new SftExample(row, 1))]);
        Assert.Equal([4], moved.Killed);
        Assert.Equal([11], moved.Born);
        Assert.Equal(36, moved.TokensSeen);

        var z = half.PreActivations(prefixes.Batch(rows).Activation).reshape(-1, TinySae.DSae);
        double mean = z.clamp_min(0).mean([0L])[4].item<float>(), norm = half.WDec[4].norm().item<float>();
        Assert.Equal(mean * norm, moved.Effect[4], 1e-5);
        Assert.Equal(0, moved.Effect[0]);
    }

    public void Dispose()
    {
        scope.Dispose();
        sae.Dispose();
        model.Dispose();
    }
}
