using Parsimony.Evaluation;
using Parsimony.Models;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Evaluation;

public sealed class LayerSweepCostTests
{
    public static TheoryData<HookSite> Sites => [.. Enum.GetValues<HookSite>()];

    [Theory]
    [MemberData(nameof(Sites))]
    public void The_cost_is_that_of_the_parts_of_layers_that_a_sweep_runs(HookSite site)
    {
        const int n = 5;
        using var scope = NewDisposeScope();
        using var model = Some.Model(layers: n);
        using var tokens = Some.Tokens();
        int parts = 0, whole = 0; // attention, the way into an MLP and the way out: what each makes, a tap is shown
        static bool IsPart(HookSite made) => made is HookSite.AttnOut or HookSite.MlpPre or HookSite.MlpOut;
        static Tap Counting(Action count) => (at, x) =>
        {
            if (IsPart(at.Site)) count();
            return x;
        };
        HookState? state = null;
        for (int layer = 0; layer < n; layer++) // the steps of LayerSweep.Run
        {
            var at = new HookPoint(layer, site);
            state = state is null ? model.RunTo(at, tokens, Counting(() => parts++)) : model.RunTo(at, state, Counting(() => parts++));
            for (int i = 0; i < LayerSweepCost.Variants; i++)
            {
                model.ResidualFrom(state, Counting(() => parts++));
                model.Forward(tokens, Counting(() => whole++));
                if (IsPart(site)) parts--; // shown at the beginning, and made before it
            }
        }
        if (IsPart(site)) parts++; // where the plain model halts for the last time nothing is shown
        var cost = LayerSweepCost.Of(n, site);
        Assert.Equal(whole / 3.0, cost.LayerPassesWithoutReuse, 1e-9);
        Assert.Equal(parts / 3.0, cost.LayerPasses, 1e-9);
        Assert.Equal(cost.LayerPasses / cost.LayerPassesWithoutReuse, cost.Ratio);
    }

    [Theory]
    [InlineData(6)]
    [InlineData(32)]
    public void At_the_articles_site_it_is_half_of_as_many_whole_passes(int layers) => Assert.Equal(0.5, LayerSweepCost.Of(layers, HookSite.MlpOut).Ratio);
}
