using Parsimony.Explorer.Parts;
using Parsimony.Tests;
using Parsimony.Tokens;
using Xunit;

namespace Parsimony.Explorer.Tests;

/// <summary>What tokens look like, and what their tooltips say.</summary>
public sealed class TokenMarkupTests(DemoRun run, Browser browser)
{
    private static readonly Tokenizer Demo = Tokenizer.Load(Path.Combine(Shared.RepositoryRoot(), "assets", "demo"));

    private static int Byte(byte value) => Enumerable.Range(0, Demo.VocabularySize).First(id => Demo.Bytes(id).SequenceEqual([value]));

    [Fact]
    public void A_tooltip_names_its_token_by_text_and_id_and_one_that_cannot_be_read_by_its_bytes()
    {
        int the = Demo.Encode(" the").Single();
        Assert.Equal($"“␣the”, id {the}", TokenMarkup.Name(Demo, the));
        Assert.Equal($"“↵”, id {Byte(10)}, bytes 0A", TokenMarkup.Name(Demo, Byte(10)));
        Assert.Equal($"“<0xE6>”, id {Byte(0xE6)}, bytes E6\n“a”, id {Byte((byte)'a')}", TokenMarkup.Name(Demo, Byte(0xE6), Byte((byte)'a')));
        Assert.Contains("<id 99999999>", TokenMarkup.Name(Demo, 99999999), StringComparison.Ordinal);
    }

    [Fact]
    public void A_character_over_several_tokens_is_one_piece_whose_tooltip_names_each_and_what_is_outside_is_grey()
    {
        int[] ids = [Byte((byte)'<'), Byte(0xE6), Byte(0xBC), Byte(0xA2), Byte((byte)'b')];
        string html = TokenMarkup.Of(ids, [0, 0, 2, 0, 0], 2, Demo, 4, (0, 4)).Value;
        Assert.Equal($"&lt;<span class=\"peak\" style=\"--a:0.5\" data-tip=\"“&lt;0xE6&gt;”, id {ids[1]}, bytes E6&#10;“&lt;0xBC&gt;”, id {ids[2]}, bytes BC&#10;“&lt;0xA2&gt;”, id {ids[3]}, bytes A2&#10;2\">漢</span><span class=\"prompt\">b</span>", html);
    }

    [Fact]
    public async Task Tooltips_of_every_page_that_shows_tokens_name_the_token()
    {
        int latent = run.Explored.Index!.Ranked(Parsimony.Exploration.Index.IndexColumn.ContextsFired)[0];
        await using var at = await browser.Open(run, $"/features/{latent}");
        await Hover(".contexts .tokens .peak");
        await Hover(".chips bdi");
        await at.Go("/prompt?text=The+wolf");
        await Hover("[data-prompt] [data-token]");
        await Hover("table.heat thead th[data-tip]");
        await at.Picture("tooltip", whole: false);
        await at.Go("/compare?prompt=The%20cat&length=4");
        await at.Page.WaitForFunctionAsync("() => /differ from token|wrote the same/.test(document.querySelector('[role=status]').textContent)");
        await Hover("[data-side=tuned] [data-token]");
        at.EnsureNoErrors();

        async Task Hover(string token)
        {
            do // a page that has just scrolled there takes its tooltip away again
            {
                await at.Page.Mouse.MoveAsync(1, 1);
                await at.Page.HoverAsync(token + " >> nth=0");
            }
            while (await at.Page.Locator(".tip").CountAsync() == 0);
            Assert.Matches("“.+”, id [0-9]+", await at.Page.InnerTextAsync(".tip"));
        }
    }
}
