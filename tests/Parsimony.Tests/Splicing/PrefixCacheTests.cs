using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tokens;
using TorchSharp;
using Xunit;
using static Parsimony.Tests.Splicing.TinySae;
using static TorchSharp.torch;

namespace Parsimony.Tests.Splicing;

public sealed class PrefixCacheTests : IDisposable
{
    private readonly Transformer model = Some.Model();
    private readonly DisposeScope scope = NewDisposeScope();

    [Theory]
    [InlineData(HookSite.ResidPre)]
    [InlineData(HookSite.AttnIn)]
    [InlineData(HookSite.AttnQkv)]
    [InlineData(HookSite.AttnZ)]
    [InlineData(HookSite.AttnOut)]
    [InlineData(HookSite.MlpIn)]
    [InlineData(HookSite.MlpPre)]
    [InlineData(HookSite.MlpOut)]
    [InlineData(HookSite.ResidPost)]
    public void A_kept_state_has_the_bits_of_a_recomputed_one_in_whatever_batch(HookSite site)
    {
        var rows = Some.Contexts(4);
        using var keeps = new PrefixCache(model, new HookPoint(1, site), 1 << 20);
        using var recomputes = new PrefixCache(model, new HookPoint(1, site), 0);
        keeps.Batch(rows);
        int[][] shuffled = [rows[2], rows[0], rows[3]];
        var (a, b) = (keeps.Batch(shuffled), recomputes.Batch(shuffled));
        Assert.True(a.Activation.SameBits(b.Activation));
        Assert.Equal(a.Residual is null, b.Residual is null);
        if (a.Residual is not null) Assert.True(a.Residual.SameBits(b.Residual!));
        Assert.Equal(3 * 12, keeps.TokensReused);
        Assert.Equal(4 * 12, keeps.TokensComputed);
        Assert.Equal(0, recomputes.TokensReused);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_padded_row_gives_the_logits_it_gives_alone(bool parallel)
    {
        using var other = Some.Model(parallel: parallel);
        int[] longRow = Some.Contexts(1, 12)[0], shortRow = Some.Contexts(1, 7, seed: 9)[0];
        using var cache = new PrefixCache(other, At, 1 << 20);
        var together = other.RunFrom(cache.Batch([longRow, shortRow]));
        var alone = other.Forward(ContextPacker.ToTensor([shortRow]));
        Assert.True(Distance(alone[0], together[1].narrow(0, 0, 7)) < 1e-5);
        Assert.True(together.isfinite().all().item<bool>());
    }

    [Fact]
    public void States_are_kept_until_the_budget_is_full_and_no_longer()
    {
        long oneRow = 2 * 12 * DModel * sizeof(float);
        var rows = Some.Contexts(3);
        using var cache = new PrefixCache(model, At, 2 * oneRow + 1);
        cache.Batch(rows);
        Assert.Equal(2 * oneRow, cache.BytesKept);
        cache.Batch(rows);
        Assert.Equal(2 * 12, cache.TokensReused);
        Assert.Equal(4 * 12, cache.TokensComputed);
    }

    [Fact]
    public void Batches_leave_no_tensor_behind_and_disposing_frees_the_kept_ones()
    {
        var rows = Some.Contexts(3);
        using (var warm = new PrefixCache(model, At, 0))
        using (warm.Batch(rows))
        {
        }
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        foreach (long budget in (long[])[0, 1 << 20])
        {
            using var cache = new PrefixCache(model, At, budget);
            for (int i = 0; i < 3; i++)
                using (cache.Batch(rows))
                {
                }
        }
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void A_negative_budget_or_an_empty_batch_is_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new PrefixCache(model, At, -1));
        Assert.Throws<ArgumentException>(() => new PrefixCache(model, At, 0).Batch([]));
    }

    public void Dispose()
    {
        scope.Dispose();
        model.Dispose();
    }
}
