using Microsoft.AspNetCore.Components;
using Parsimony.Exploration;
using Parsimony.Exploration.Index;
using Parsimony.Explorer.Parts;
using Parsimony.Tokens;

namespace Parsimony.Explorer.Features;

/// <summary>How much text is shown around a place where a latent fires.</summary>
public enum PassageWidth
{
    /// <summary>Eight tokens before it, four behind.</summary>
    Brief,

    /// <summary>The window that the index keeps the activations of.</summary>
    Window,

    /// <summary>The whole context; what is outside the window is grey, its activations were not kept.</summary>
    Full,
}

/// <summary>Contexts of a latent as shaded text.</summary>
public static class Passages
{
    private const int Before = 8, After = 4;

    /// <summary>A width's name in an address.</summary>
    public static string Name(PassageWidth width) => width switch
    {
        PassageWidth.Brief => "short",
        PassageWidth.Window => "window",
        _ => "full",
    };

    /// <summary>One context.</summary>
    /// <param name="passage">The window.</param>
    /// <param name="index">The index, for the text around it.</param>
    /// <param name="tokenizer">The model's.</param>
    /// <param name="strongest">The activation that is shaded most deeply.</param>
    /// <param name="width">How much is shown.</param>
    public static MarkupString Markup(FeatureContext passage, FeatureIndex index, Tokenizer tokenizer, double strongest, PassageWidth width)
    {
        if (width == PassageWidth.Brief)
        {
            int from = Math.Max(0, passage.PeakIndex - Before), to = Math.Min(passage.Tokens.Length, passage.PeakIndex + After + 1);
            passage = passage with { Tokens = passage.Tokens[from..to], PeakIndex = passage.PeakIndex - from };
        }
        if (width != PassageWidth.Full) return TokenMarkup.Of(passage, tokenizer, strongest);
        int[] all = index.Context(passage.Context); // a character may lie across the window's edge: the whole is joined
        int start = passage.Position - passage.PeakIndex, end = start + passage.Tokens.Length;
        return TokenMarkup.Of(all, [.. all.Select((_, t) => t >= start && t < end ? passage.Tokens[t - start].Activation : 0)], passage.Position, tokenizer, strongest, (start, end));
    }
}
