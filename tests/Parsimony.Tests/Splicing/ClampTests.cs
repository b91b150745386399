using Parsimony.Autoencoders;
using Parsimony.Splicing;
using TorchSharp;
using Xunit;
using static Parsimony.Tests.Splicing.TinySae;
using static TorchSharp.torch;

namespace Parsimony.Tests.Splicing;

public sealed class ClampTests : IDisposable
{
    private const int Latent = 3;
    private readonly StandardSae sae = TinySae.Random();
    private readonly DisposeScope scope = NewDisposeScope();

    [Fact]
    public void Only_the_latents_own_part_of_the_activation_is_changed()
    {
        var x = randn(2, 30, DModel);
        var f = sae.Encode(x);
        var y = Taps.Clamp(At, sae, Latent, 2.5)(At, x);
        Assert.True(Distance(x + (2.5 - f.narrow(2, Latent, 1)) * sae.WDec[Latent], y) < 1e-5);
        // The same as decoding with that latent set, the SAE's error added back.
        var set = f.clone();
        set.narrow(2, Latent, 1).fill_(2.5);
        Assert.True(Distance(sae.Decode(set) + (x - sae.Reconstruct(x)), y) < 1e-4);
    }

    [Fact]
    public void Where_the_latent_is_off_nothing_is_changed_if_so_wished()
    {
        var x = randn(2, 30, DModel);
        var fires = sae.Encode(x).select(2, Latent) > 0;
        Assert.InRange(fires.sum().item<long>(), 1, 59);
        var (some, all) = (Taps.Clamp(At, sae, Latent, 2.5, onlyWhereItFires: true)(At, x), Taps.Clamp(At, sae, Latent, 2.5)(At, x));
        Assert.True(some.masked_select(fires.unsqueeze(2)).SameBits(all.masked_select(fires.unsqueeze(2))));
        Assert.True(some.masked_select(~fires.unsqueeze(2)).SameBits(x.masked_select(~fires.unsqueeze(2))));
        Assert.True(Distance(x, Taps.Clamp(At, sae, Latent, 0, onlyWhereItFires: true)(At, x)) > 0);
        Assert.True(Taps.Clamp(At, sae, Latent, 0)(At, x).SameBits(Taps.Clamp(At, sae, Latent, 0, onlyWhereItFires: true)(At, x))); // at 0 both are the ablation
    }

    [Fact]
    public void A_model_with_a_clamped_latent_says_something_else_and_leaves_nothing_behind()
    {
        using var model = Some.Model();
        var tokens = Some.Tokens();
        var tap = Taps.Clamp(At, sae, Latent, 5);
        Assert.False(model.Forward(tokens).SameBits(model.Forward(tokens, tap)));
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        model.Forward(tokens, tap).Dispose();
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void A_latent_that_is_none_is_refused()
    {
        Assert.Contains("allowed are 0 to 39", Assert.Throws<ArgumentException>(() => Taps.Clamp(At, sae, 40, 1)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => Taps.Clamp(At, sae, 0, double.NaN));
        Assert.Throws<ArgumentException>(() => Taps.Clamp(At, sae, 0, 1)(At, randn(2, 8)));
        using var transcoder = new Transcoder(sae.WEnc, sae.WDec, sae.BEnc, sae.BDec, null, null);
        Assert.Throws<ArgumentException>(() => Taps.Clamp(At, transcoder, 0, 1));
    }

    public void Dispose()
    {
        scope.Dispose();
        sae.Dispose();
    }
}
