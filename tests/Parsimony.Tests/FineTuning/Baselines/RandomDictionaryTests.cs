using Parsimony.Autoencoders;
using Parsimony.FineTuning.Baselines;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Baselines;

public sealed class RandomDictionaryTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    private static Tensor Activations(int tokens = 500)
    {
        using var generator = new Generator(6, CPU);
        return randn(tokens, 16, generator: generator) + 0.3;
    }

    private static long[] Firings(ISparseAutoencoder sae, Tensor x) => [.. sae.Encode(x).gt(0).sum([0L]).data<long>()];

    [Fact]
    public void Each_latent_fires_on_as_many_tokens_as_the_saes_of_the_same_index()
    {
        using var sae = Some.Sae();
        using (no_grad())
        {
            sae.BEnc[0] = -1e3; // never fires
            sae.BEnc[1] = 1e3;  // always
            sae.BEnc[2] = -3;
        }
        var x = Activations();
        using var random = RandomDictionary.Like(sae, x, seed: 1);
        Assert.Equal(Firings(sae, x), Firings(random, x));
        Assert.Equal((0, 500), (Firings(random, x)[0], Firings(random, x)[1]));
        using var topK = new TopKSae(sae.WEnc, sae.WDec, sae.BEnc, sae.BDec, 4);
        using var like = RandomDictionary.Like(topK, x, seed: 1);
        Assert.Equal(Firings(topK, x), Firings(like, x));
    }

    [Fact]
    public void Its_directions_are_random_of_unit_norm_and_the_encoders_too()
    {
        using var sae = Some.Sae();
        using var random = RandomDictionary.Like(sae, Activations(), seed: 1);
        Assert.Equal((sae.DModel, sae.DSae), (random.DModel, random.DSae));
        Assert.All(random.WDec.norm(1).Floats(), n => Assert.Equal(1, n, 1e-5));
        Assert.True(random.WEnc.SameBits(random.WDec.t().contiguous()) && random.BDec.SameBits(sae.BDec));
        using var again = RandomDictionary.Like(sae, Activations(), seed: 1);
        using var other = RandomDictionary.Like(sae, Activations(), seed: 2);
        Assert.True(again.SameBits(random));
        Assert.False(other.WDec.SameBits(random.WDec));
        Assert.True((random.WDec.matmul(sae.WDec.t())).abs().mean().item<float>() < 0.3); // nothing of the SAE's
    }

    [Fact]
    public void What_it_cannot_be_like_is_refused_and_nothing_is_left_behind()
    {
        using var sae = Some.Sae();
        var x = Activations();
        Assert.Contains("expected [tokens, d_model]", Assert.Throws<ArgumentException>(() => RandomDictionary.Like(sae, x.narrow(1, 0, 8), 1)).Message, StringComparison.Ordinal);
        using var transcoder = new Transcoder(sae.WEnc, sae.WDec, sae.BEnc, sae.BDec, null, null);
        Assert.Throws<ArgumentException>(() => RandomDictionary.Like(transcoder, x, 1));
        RandomDictionary.Like(sae, x, 1).Dispose();
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        RandomDictionary.Like(sae, x, 1).Dispose();
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    public void Dispose() => scope.Dispose();
}
