using Parsimony.Models;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Models;

/// <summary>The first layer works on each different token once; under gradients it does not, which is what it is compared with.</summary>
public sealed class DistinctTokensTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    private static Tensor Repeating() => tensor(Enumerable.Range(0, 96).Select(i => (long)(i * i % 11)).ToArray()).view(3, 32);

    private static float[] Logits(Transformer model, Tap? tap, bool gradients)
    {
        using var mode = gradients ? enable_grad() : no_grad();
        return model.Forward(Repeating(), tap).Floats();
    }

    [Theory]
    [InlineData("gpt_neox")]
    [InlineData("llama")] // no parallel residual: only its queries, keys and values
    [InlineData("qwen2")]
    [InlineData("gpt2")] // its positions are embedded: nothing
    public void The_logits_are_the_same(string family)
    {
        using var model = SomeFamily.Model(family);
        foreach (var (expected, found) in Logits(model, null, true).Zip(Logits(model, null, false))) Assert.Equal(expected, found, 2e-5 * Math.Max(1, Math.Abs(expected)));
    }

    [Fact]
    public void A_tap_that_only_looks_changes_no_bit()
    {
        using var model = Some.Model();
        Assert.Equal(Logits(model, null, false), Logits(model, (_, x) => x, false));
    }

    [Theory]
    [InlineData(HookSite.ResidPre)]
    [InlineData(HookSite.AttnIn)]
    [InlineData(HookSite.AttnQkv)]
    [InlineData(HookSite.AttnZ)]
    [InlineData(HookSite.AttnOut)]
    [InlineData(HookSite.MlpIn)]
    [InlineData(HookSite.MlpPre)]
    [InlineData(HookSite.MlpPost)]
    [InlineData(HookSite.MlpOut)]
    public void What_a_tap_changes_for_one_token_is_changed_for_that_one_only(HookSite site)
    {
        foreach (bool parallel in (bool[])[true, false])
        {
            using var model = Some.Model(parallel: parallel);
            Tensor Tap(HookPoint at, Tensor x)
            {
                if (at != new HookPoint(0, site)) return x;
                var changed = x.clone();
                changed[1, 5].add_(0.5);
                return changed;
            }
            foreach (var (expected, found) in Logits(model, Tap, true).Zip(Logits(model, Tap, false))) Assert.Equal(expected, found, 2e-5 * Math.Max(1, Math.Abs(expected)));
        }
    }

    [Fact]
    public void It_is_used_where_tokens_repeat_and_nowhere_else()
    {
        using var no = no_grad();
        var config = Some.Config();
        Assert.NotNull(DistinctTokens.Of(Repeating(), config, CPU));
        Assert.Null(DistinctTokens.Of(arange(96, ScalarType.Int64).view(3, 32), config, CPU)); // none repeats
        Assert.Null(DistinctTokens.Of(zeros([2, 12], ScalarType.Int64), config, CPU)); // few
        Assert.Null(DistinctTokens.Of(Repeating(), SomeFamily.Config("gpt2"), CPU));
        Assert.Null(DistinctTokens.Of(Repeating(), config, new Device(DeviceType.CUDA))); // it would wait for the count
        var distinct = DistinctTokens.Of(Repeating(), config, CPU)!;
        var x = Repeating().to(ScalarType.Float32).unsqueeze(2);
        Assert.Equal(x.Floats(), distinct.Spread(distinct.Rows(x)).Floats());
        Assert.Equal(Repeating().view(-1).data<long>().Distinct().Count(), distinct.Rows(x).size(1));
    }

    public void Dispose() => scope.Dispose();
}
