using Parsimony.Exploration;
using Parsimony.Reporting;
using Parsimony.Tokens;
using Xunit;

namespace Parsimony.Tests.Reporting;

public sealed class FeaturePanelTests
{
    [Fact]
    public void A_card_becomes_readable_text_whatever_the_script()
    {
        var tokenizer = Tokenizer.Load(Shared.Path("data/tokenizer/gpt-neox-20b.tokenizer.json"));
        const string text = " a \U0001F9A6 \u0645\u0631\u062d\u0628\u0627 \u6f22\U00020000<b>\n";
        int[] ids = tokenizer.Encode(text);
        Assert.True(ids.Length > text.EnumerateRunes().Count() / 2);
        var panel = FeaturePanel.Of(new FeatureCard
        {
            Latent = 3,
            Density = 0.1,
            MaxActivation = 2,
            MeanActivation = 0,
            Fired = 1,
            ContextsFired = 1,
            Histogram = new([], 0, 0, 0, 0, 0, isJoint: false),
            TopContexts = [new FeatureContext([.. ids.Select((id, i) => new TokenActivation(id, i))], ids.Length - 1, 0, 0)],
            Intervals = [],
            Effect = null,
            Raised = [],
            Lowered = [],
            Similar = [],
            Coactive = [],
            Promoted = [(ids[0], 1), (50_290, 0.5f)], // a row of the model that is no token
            Suppressed = [(ids[^1], -1)],
        }, tokenizer);
        Assert.Equal(text, string.Concat(panel.Contexts[0].Text));
        Assert.DoesNotContain(panel.Contexts[0].Text, piece => piece.Contains('\ufffd'));
        Assert.Equal(["\u2423a"], panel.Promoted.Select(t => t.Token));
        Assert.Equal(-1, panel.Suppressed[0].Logit);
    }
}
