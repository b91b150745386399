using System.Globalization;
using Parsimony.Text;

namespace Parsimony.FineTuning.Rewards;

/// <summary>
/// Words with valences, in the format of VADER's lexicon (Hutto and Gilbert 2014): word, tab, mean valence of ten raters (-4 to 4), further columns
/// that are not used. A text's words are what stands between white space, ASCII punctuation at both ends taken off where more than two characters are
/// left (else it is kept: an emoticon), as VADER has it, and they are looked up in lower case.
/// </summary>
/// <remarks>Plain valences: VADER's rules for negations, intensifiers, capitals, "but" and exclamation marks are not applied.</remarks>
public sealed class SentimentLexicon
{
    private const string Punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
    private readonly Dictionary<string, double> valences;

    private SentimentLexicon(Dictionary<string, double> valences) => this.valences = valences;

    /// <summary>How many words it has.</summary>
    public int Count => valences.Count;

    /// <summary>Reads a lexicon.</summary>
    /// <param name="path">A text file, UTF-8; it may be compressed (.gz, .zst, .zip). Of a word that stands there twice the last line counts, as in VADER.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">A line is not of this kind, or there is none.</exception>
    public static SentimentLexicon Load(string path)
    {
        if (!File.Exists(path)) throw new FileNotFoundException($"There is no file '{path}'. Give a lexicon in VADER's format: word, tab, valence.", path);
        var valences = new Dictionary<string, double>(StringComparer.Ordinal);
        using var reader = TextFile.Open(path);
        int number = 0;
        foreach (string line in TextLines.Whole(reader, path))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line)) continue;
            string[] fields = line.Split('\t');
            if (fields.Length < 2 || !double.TryParse(fields[1], NumberStyles.Float, CultureInfo.InvariantCulture, out double valence) || !double.IsFinite(valence))
                throw new InvalidDataException($"'{path}', line {number}: '{line}' is not a word, a tab and its valence, as in VADER's lexicon. Correct or delete the line.");
            valences[fields[0]] = valence;
        }
        return valences.Count > 0 ? new SentimentLexicon(valences) : throw new InvalidDataException($"'{path}' has no words. Give a lexicon in VADER's format: word, tab, valence.");
    }

    /// <summary>The words of a text that have a valence: where each begins, its length in characters, its valence.</summary>
    public IEnumerable<(int Start, int Length, double Valence)> Find(string text)
    {
        for (int at = 0; at < text.Length; at++)
        {
            if (char.IsWhiteSpace(text[at])) continue;
            int start = at;
            while (at < text.Length && !char.IsWhiteSpace(text[at])) at++;
            int from = start, to = at;
            while (from < to && Punctuation.Contains(text[from])) from++;
            while (to > from && Punctuation.Contains(text[to - 1])) to--;
            if (to - from <= 2) (from, to) = (start, at);
            if (valences.TryGetValue(text[from..to].ToLowerInvariant(), out double valence)) yield return (from, to - from, valence);
        }
    }
}
