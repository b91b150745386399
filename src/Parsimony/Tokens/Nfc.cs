using System.Text;

namespace Parsimony.Tokens;

/// <summary>Unicode normalisation form C as tokenizers apply it: defined for every string, also for broken ones.</summary>
public static class Nfc
{
    /// <summary>
    /// <paramref name="text"/> in form C. .NET's own Normalize throws on U+FFFE and on lone surrogates; neither takes part in
    /// composition, so the text is cut there. A lone surrogate, which has no UTF-8 form, becomes U+FFFD.
    /// </summary>
    public static string Apply(string text)
    {
        if (Ascii.IsValid(text)) return text;
        int bad = IndexOfRefused(text);
        if (bad < 0) return text.IsNormalized(NormalizationForm.FormC) ? text : text.Normalize(NormalizationForm.FormC);

        var whole = new StringBuilder(text.Length);
        ReadOnlySpan<char> rest = text;
        for (; bad >= 0; bad = IndexOfRefused(rest))
        {
            whole.Append(rest[..bad].ToString().Normalize(NormalizationForm.FormC));
            whole.Append(char.IsSurrogate(rest[bad]) ? '\uFFFD' : rest[bad]);
            rest = rest[(bad + 1)..];
        }
        return whole.Append(rest.ToString().Normalize(NormalizationForm.FormC)).ToString();
    }

    /// <summary>Fails where normalisation is switched off: InvariantGlobalization turns it into a silent no-op.</summary>
    /// <exception cref="PlatformNotSupportedException">"e" and a combining acute are not composed.</exception>
    public static void EnsureItWorks()
    {
        if ("e\u0301".Normalize(NormalizationForm.FormC) != "\u00e9")
            throw new PlatformNotSupportedException(
                "Unicode normalisation (NFC) does nothing in this process, so token ids would be wrong; the tokenizer needs it. "
                + "Install ICU (Debian, Ubuntu: libicu) and leave InvariantGlobalization / DOTNET_SYSTEM_GLOBALIZATION_INVARIANT unset.");
    }

    private static int IndexOfRefused(ReadOnlySpan<char> text)
    {
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            if (c == '\uFFFE') return i;
            if (!char.IsSurrogate(c)) continue;
            if (!char.IsHighSurrogate(c) || i + 1 == text.Length || !char.IsLowSurrogate(text[i + 1])) return i;
            i++;
        }
        return -1;
    }
}
