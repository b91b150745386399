using Parsimony.FineTuning;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tests.Splicing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning;

public sealed class DialMergeTests
{
    [Fact]
    public void The_merged_sae_does_what_the_dials_do_for_every_scale_zero_and_negative_too()
    {
        using var scope = NewDisposeScope();
        using var model = Some.Model();
        using var sae = TinySae.Random();
        var c = Drawn.Normal(1, TinySae.DSae) * 2;
        c[0] = 0;
        c[1] = -1;
        using var dials = FeatureDials.Of(TinySae.At, c, Drawn.Normal(2, TinySae.DSae));
        using var merged = DialMerge.Into(sae, dials);
        var tokens = Some.Tokens();
        var dialled = model.Forward(tokens, dials.Splice(sae, SpliceMode.Replace));
        var plain = model.Forward(tokens, Taps.Splice(TinySae.At, merged));
        Assert.True(TinySae.Distance(dialled, plain) < 1e-4);
        Assert.True(TinySae.Distance(dialled, model.Forward(tokens, Taps.Splice(TinySae.At, sae))) > 0.01);

        var x = Drawn.Normal(3, 50, TinySae.DModel);
        var latents = (c * sae.PreActivations(x) + dials.Shift()).clamp_min(0);
        Assert.True(TinySae.Distance(latents, merged.Encode(x)) < 1e-5);
    }

    [Fact]
    public void Merging_identity_dials_changes_no_bit()
    {
        using var sae = TinySae.Random();
        using var dials = new FeatureDials(TinySae.At, TinySae.DSae);
        using var merged = DialMerge.Into(sae, dials);
        Assert.True(merged.SameBits(sae));
    }

    [Fact]
    public void Dials_of_another_size_are_refused()
    {
        using var sae = TinySae.Random();
        using var dials = new FeatureDials(TinySae.At, 7);
        Assert.Contains("for 7 latents, the SAE has 40", Assert.Throws<ArgumentException>(() => DialMerge.Into(sae, dials)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Merging_leaves_no_tensor_behind()
    {
        using var sae = TinySae.Random();
        using var dials = new FeatureDials(TinySae.At, TinySae.DSae);
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        using (DialMerge.Into(sae, dials))
        {
        }
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }
}
