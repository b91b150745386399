using System.Text;
using System.Text.RegularExpressions;

namespace Parsimony.Text;

/// <summary>
/// WikiText, whose two forms (<see cref="TextForm"/>) are not text as people write it: a loss on the one is not comparable to a loss on the other, nor to one
/// on the text that <see cref="Detokenise(string)"/> makes of either.
/// </summary>
public static partial class WikiText
{
    private const string Unknown = "<unk>";

    // The rules and their order are those of lm-evaluation-harness (wikitext_detokenizer), its oddities included: ' N ' becomes ' 1 ', and quotes and brackets
    // are paired as they come. Its rule for ' before a digit is left out: it looks for slashes that are no part of any text.
    private static readonly (string Find, string Put)[] BeforeBrackets =
    [
        ("s '", "s'"), (" @-@ ", "-"), (" @,@ ", ","), (" @.@ ", "."), (" : ", ": "), (" ; ", "; "), (" . ", ". "), (" ! ", "! "), (" ? ", "? "), (" , ", ", "),
    ];

    private static readonly (string Find, string Put)[] AfterBrackets =
        [("= = = =", "===="), ("= = =", "==="), ("= =", "=="), (" ° ", "°"), (" \n", "\n"), ("\n ", "\n"), (" N ", " 1 "), (" 's", "'s")];

    /// <summary>The form of a text, told by its content: lines such as <c> = Title = </c>, the <c> @-@ </c> family, and <c>&lt;unk&gt;</c>.</summary>
    /// <param name="sample">Its beginning; some pages of it are enough.</param>
    public static TextForm FormOf(string sample) => !Heading().IsMatch(sample) && !Joint().IsMatch(sample) ? TextForm.Plain
        : sample.Contains(Unknown, StringComparison.Ordinal) ? TextForm.WikitextTokens : TextForm.WikitextRaw;

    /// <summary>An article of WikiText, of either form, as text: no spaces before punctuation and inside brackets and quotes, <c> @-@ </c> a hyphen, and so on. What was
    /// lost, such as the words under <c>&lt;unk&gt;</c>, stays lost.</summary>
    /// <param name="article">One article: quotes that are not closed are paired across all of it.</param>
    public static string Detokenise(string article)
    {
        string text = Replace(article, BeforeBrackets);
        text = Round().Replace(text, "($1)");
        text = Square().Replace(text, "[$1]");
        text = Curly().Replace(text, "{$1}");
        text = Double().Replace(text, "\"$1\"");
        text = Single().Replace(text, "'$1'");
        return Replace(text, AfterBrackets);
    }

    /// <summary>The same for documents that arrive in pieces: each article in them, from one <c> = Title = </c> to the next, by itself.</summary>
    /// <param name="pieces">Documents in pieces, as <see cref="Documents.Read"/> gives them.</param>
    public static IEnumerable<TextPiece> Detokenise(IEnumerable<TextPiece> pieces)
    {
        var (article, made) = (new StringBuilder(), new StringBuilder());
        string rest = ""; // a line that has not ended yet
        foreach (var (text, endsDocument) in pieces)
        {
            string lines = rest + text;
            int whole = endsDocument ? lines.Length : lines.LastIndexOf('\n') + 1;
            for (int at = 0, end; at < whole; at = end)
            {
                end = lines.IndexOf('\n', at, whole - at) + 1;
                if (end == 0) end = whole;
                if (article.Length > 0 && Title().IsMatch(lines.AsSpan(at, end - at))) Finish();
                article.Append(lines, at, end - at);
            }
            rest = lines[whole..];
            if (endsDocument) Finish();
            while (made.Length > SafeCut.PieceChars)
            {
                string held = made.ToString();
                int cut = SafeCut.Length(held, SafeCut.PieceChars);
                yield return new(held[..cut], EndsDocument: false);
                made.Clear().Append(held.AsSpan(cut));
            }
            if (!endsDocument || made.Length == 0) continue;
            yield return new(made.ToString(), EndsDocument: true);
            made.Clear();
        }

        void Finish()
        {
            made.Append(Detokenise(article.ToString()));
            article.Clear();
        }
    }

    /// <summary>Rows that are lines of one text, as the hub keeps WikiText, joined to that text.</summary>
    /// <param name="pieces">Documents in pieces, a line each.</param>
    public static IEnumerable<TextPiece> Joined(IEnumerable<TextPiece> pieces)
    {
        string? held = null;
        foreach (var (text, endsDocument) in pieces)
        {
            if (held is not null) yield return new(held, EndsDocument: false);
            held = endsDocument && !text.EndsWith('\n') ? text + "\n" : text;
        }
        if (held is not null) yield return new(held, EndsDocument: true);
    }

    /// <summary>Words of a text, as far as it is a whole number of them: runs of characters that are no white space. In WikiText's forms a mark of punctuation is one too.</summary>
    public static long CountWords(ReadOnlySpan<char> text)
    {
        long words = 0;
        bool inside = false;
        foreach (char c in text)
        {
            bool isSpace = char.IsWhiteSpace(c);
            if (!isSpace && !inside) words++;
            inside = !isSpace;
        }
        return words;
    }

    private static string Replace(string text, (string Find, string Put)[] rules)
    {
        foreach (var (find, put) in rules) text = text.Replace(find, put, StringComparison.Ordinal);
        return text;
    }

    [GeneratedRegex(@"^ (?:= )+[^=\n][^\n]* = $", RegexOptions.Multiline | RegexOptions.CultureInvariant)]
    private static partial Regex Heading();

    [GeneratedRegex(@"^ = [^=\n][^\n]*(?<! =) = \r?\n?\z", RegexOptions.CultureInvariant)]
    private static partial Regex Title();

    [GeneratedRegex(@" @[-,.]@ ", RegexOptions.CultureInvariant)]
    private static partial Regex Joint();

    [GeneratedRegex(@"\(\s*([^)]*?)\s*\)", RegexOptions.CultureInvariant)]
    private static partial Regex Round();

    [GeneratedRegex(@"\[\s*([^\]]*?)\s*\]", RegexOptions.CultureInvariant)]
    private static partial Regex Square();

    [GeneratedRegex(@"\{\s*([^}]*?)\s*\}", RegexOptions.CultureInvariant)]
    private static partial Regex Curly();

    [GeneratedRegex("\"\\s*([^\"]*?)\\s*\"", RegexOptions.CultureInvariant)]
    private static partial Regex Double();

    [GeneratedRegex(@"'\s*([^']*?)\s*'", RegexOptions.CultureInvariant)]
    private static partial Regex Single();
}
