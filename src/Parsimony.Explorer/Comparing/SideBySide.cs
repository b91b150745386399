using System.Text;
using Microsoft.AspNetCore.Components;
using Parsimony.Explorer.Model;
using Parsimony.Explorer.Parts;
using Parsimony.Reporting;
using Parsimony.Tokens;

namespace Parsimony.Explorer.Comparing;

/// <summary>Two texts that went on from one prompt, as they are shown: tokens that are not the same at the same place are marked.</summary>
/// <param name="tokenizer">The model's.</param>
internal sealed class SideBySide(Tokenizer tokenizer)
{
    private readonly List<WrittenToken>[] sides = [[], []];

    /// <summary>Tokens of a side so far: 0 at rest, 1 tuned.</summary>
    public IReadOnlyList<WrittenToken> this[int side] => sides[side];

    /// <summary>Where the sides first differ, as far as both are written; null: nowhere.</summary>
    public int? FirstDifference
    {
        get
        {
            int both = Math.Min(sides[0].Count, sides[1].Count);
            for (int i = 0; i < both; i++)
                if (sides[0][i].Id != sides[1][i].Id) return i;
            return null;
        }
    }

    /// <summary>Adds a token.</summary>
    public void Add(WrittenToken token) => sides[token.Side].Add(token);

    /// <summary>Forgets both.</summary>
    public void Clear()
    {
        foreach (var side in sides) side.Clear();
    }

    /// <summary>Whether the other side has another token here.</summary>
    public bool Differs(int side, int i) => i < sides[1 - side].Count && sides[1 - side][i].Id != sides[side][i].Id;

    /// <summary>A token as text; the end of text has a sign of its own.</summary>
    public string Text(int id) => id == tokenizer.EndOfTextId ? "⏹" : ShadedText.Decode(tokenizer.Bytes(id));

    /// <summary>A side as one string, its tokens numbered so that one can be picked; tooltips say how likely they were.</summary>
    /// <param name="side">0 or 1.</param>
    /// <param name="picked">Number of the token that was picked; null: none.</param>
    public MarkupString Markup(int side, int? picked)
    {
        var tokens = sides[side];
        // A piece of whole characters takes the number of its last token with it.
        var text = ShadedText.Join([.. tokens.Select(t => t.Id == tokenizer.EndOfTextId ? Encoding.UTF8.GetBytes("⏹") : tokenizer.Bytes(t.Id).ToArray())], [.. tokens.Select((_, i) => (float)i)], 0);
        var html = new StringBuilder();
        int first = 0;
        for (int piece = 0; piece < text.Text.Count; piece++)
        {
            int last = (int)text.Activations[piece];
            bool differs = Enumerable.Range(first, last - first + 1).Any(i => Differs(side, i));
            string style = string.Join(' ', new[] { differs ? "differs" : "", picked >= first && picked <= last ? "peak" : "" }.Where(s => s.Length > 0));
            double p = tokens[first].LogProb;
            string tip = $"token {first}: {TokenMarkup.Name(tokenizer, [.. tokens.Skip(first).Take(last - first + 1).Select(t => t.Id)])}\nlog-probability {Number.Signed(p)} ({Number.Percent(Math.Exp(p))})";
            if (first < sides[1 - side].Count && differs) tip += $"\nthe other side: {TokenMarkup.Name(tokenizer, sides[1 - side][first].Id)}, {Number.Signed(sides[1 - side][first].LogProb)}";
            TokenMarkup.Piece(html, text.Text[piece], 0, style, tip, $" data-token=\"{first}\"");
            first = last + 1;
        }
        return new MarkupString(html.ToString());
    }
}
