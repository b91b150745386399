using Parsimony.FineTuning.Rewards;
using Parsimony.Tests.Tokens;
using Parsimony.Tokens;

namespace Parsimony.Tests.FineTuning.Rewards;

/// <summary>Continuations by a tokenizer small enough to count by hand: a token for each byte, but hello is one.</summary>
internal static class SomeTexts
{
    public static Tokenizer Tokenizer { get; } = TinyTokenizer.Load();

    public static RewardText Says(string text, bool ended = false, string prompt = "") =>
        new(Tokenizer, prompt, [.. Tokenizer.Encode(text), .. ended ? [Tokenizer.EndOfTextId!.Value] : (int[])[]]);
}
