using System.Globalization;
using System.Text;
using Parsimony.Exploration.Labels;
using Parsimony.Reporting;
using static Parsimony.Reporting.ShownFeature;

namespace Parsimony.Cli.Commands;

/// <summary>A feature card for a terminal: shaded in colours where there are any, else in brackets.</summary>
internal static class FeatureCardText
{
    private const int Columns = 64, Rows = 6, LabelWidth = 11;
    private const string Levels = " ▁▂▃▄▅▆▇█";
    private static readonly int[] Shades = [223, 216, 215, 209, 202]; // of the 256 colours, from pale to deep orange

    /// <summary>Prints it.</summary>
    public static void Print(ShownFeature f, Terminal terminal)
    {
        terminal.Say($"latent {f.Latent} at {f.Hook}, on {Number.Count(f.Tokens)} tokens of {f.Text}");
        terminal.Say($"  fires on {Number.Percent(f.Density)} of them ({Number.Count(f.Fired)}, in {Number.Count(f.ContextsFired)} contexts)   maximum {Number.Text(f.MaxActivation)}   mean {Number.Text(f.MeanActivation)}");
        if (f.Predicted is { } p) terminal.Say($"  with c = {Number.Text(p.Scale)}, d = {Number.Text(p.Shift)}: fires on {Number.Percent(p.Density)}{Within(p.DensityError, Number.Percent)}, mean {Number.Text(p.Mean)}{Within(p.MeanError, Number.Text)}");

        foreach (string line in Labels(f.Labels)) terminal.Say("  " + line);

        terminal.Say("\npre-activation, tokens on a log scale; four columns for each doubling of the distance from where it begins to fire (|)");
        foreach (string line in Histogram(f)) terminal.Say("  " + line);

        if (f.TopContexts.Count > 0) terminal.Say("\nstrongest contexts");
        foreach (var passage in f.TopContexts) Say(passage, f.MaxActivation, terminal);
        if (f.Intervals.Any(i => i.Samples.Count > 0)) terminal.Say("\nsamples by activation, strongest interval first");
        foreach (var interval in f.Intervals.Where(i => i.Count > 0).Reverse())
        {
            terminal.Say($"  {Number.Text(interval.Low)} to {Number.Text(interval.High)}: {Number.Count(interval.Count)} tokens, {Number.Percent(interval.ShareOfFirings)} of its firings");
            foreach (var passage in interval.Samples) Say(passage, f.MaxActivation, terminal);
        }

        terminal.Say(f.Effect is { } effect ? $"\nnext tokens as measured, by taking it out of its strongest contexts (log-probability, nats; the distribution moves by {Number.Text(effect)} nats)"
            : "\nnext tokens as measured: not measured; 'parsimony index --measured-latents' takes more latents");
        Say("raises", f.Raised, terminal);
        Say("lowers", f.Lowered, terminal);
        terminal.Say(f.Promoted.Count > 0 ? "direct logits, past all later layers: at an early layer a small part of its effect, which can mislead" : "direct logits: none; a nonlinearity stands between this site and the logits");
        Say("promotes", f.Promoted, terminal);
        Say("suppresses", f.Suppressed, terminal);
        Say("decoder rows most alike (cosine)", f.Similar, terminal);
        Say("fires together with (Jaccard)", f.Coactive, terminal);
    }

    /// <summary>What labels say, a line each, with their scores and in brackets what another latent's label has.</summary>
    internal static IEnumerable<string> Labels(LatentLabels? labels)
    {
        if (labels is null) yield break;
        if (labels.Hand is not null || labels.Star) yield return $"label {(labels.Star ? "★ " : "")}{Visible(labels.Hand ?? "")}".TrimEnd();
        if (labels.Note is { } note) yield return $"note {Visible(note)}";
        foreach (var a in labels.Automatic)
        {
            string scores = a.Scores is { } s ? $"   detection {Score(s.Label.Detection)}{Than(s.Shuffled?.Detection)}, fuzzing {Score(s.Label.Fuzzing)}{Than(s.Shuffled?.Fuzzing)}" : "   too few examples to score it";
            yield return $"{(a.Method == LabelMethod.Explainer ? a.Model : a.Method.ToString().ToLowerInvariant())}: {Visible(a.Text)}{scores}";
        }

        static string Score(BinaryScore score) => score.BalancedAccuracy.ToString("0.00", CultureInfo.InvariantCulture);
        static string Than(BinaryScore? other) => other is null ? "" : $" (another latent's: {Score(other)})";
    }

    /// <summary>The histogram as lines of text, the axis below.</summary>
    internal static IEnumerable<string> Histogram(ShownFeature f)
    {
        var counts = f.Histogram.Counts;
        int bins = counts.Count / Columns;
        double[] heights = [.. Enumerable.Range(0, Columns).Select(c => Math.Log10(1 + Enumerable.Range(c * bins, bins).Sum(i => (double)counts[i])))];
        double top = Math.Max(1e-9, heights.Max());
        for (int row = Rows - 1; row >= 0; row--)
        {
            var line = new StringBuilder();
            foreach (double height in heights)
            {
                double filled = height / top * Rows - row;
                line.Append(Levels[height > 0 && row == 0 ? Math.Clamp((int)Math.Round(filled * 8), 1, 8) : Math.Clamp((int)Math.Round(filled * 8), 0, 8)]);
            }
            yield return line.ToString().TrimEnd();
        }
        var axis = new StringBuilder().Append('─', Columns).Insert(Columns / 2, '|');
        if (f.Predicted is { Scale: not 0 } p)
        {
            double onset = (f.Histogram.Threshold - p.Shift) / p.Scale;
            int bin = 0;
            while (bin < counts.Count && f.Histogram.Edges[bin + 1] <= onset) bin++;
            int column = Math.Min(Columns - 1, bin / bins);
            axis[column + (column >= Columns / 2 ? 1 : 0)] = p.Scale > 0 ? '>' : '<'; // fires from here on, or up to here
        }
        yield return axis.ToString();
        (string left, string middle, string right) = (Number.Text(f.Histogram.Edges[0]), Number.Text(f.Histogram.Threshold), Number.Text(f.Histogram.Edges[^1]));
        yield return left + middle.PadLeft(Columns / 2 + 1 - left.Length + middle.Length / 2) + right.PadLeft(Columns / 2 - middle.Length / 2);
    }

    /// <summary>A passage on one line, each piece the stronger marked the stronger the latent fires on it.</summary>
    internal static string Shaded(ShadedText text, double strongest, bool colour)
    {
        var line = new StringBuilder();
        for (int i = 0; i < text.Text.Count; i++)
        {
            string piece = Visible(text.Text[i]);
            float a = text.Activations[i];
            if (a <= 0)
            {
                line.Append(piece);
                continue;
            }
            int space = piece.Length > 1 && piece[0] == ' ' ? 1 : 0;
            int level = Math.Clamp((int)(a / strongest * Shades.Length), 0, Shades.Length - 1);
            string open = colour ? $"\e[38;5;16;48;5;{Shades[level]}{(i == text.Peak ? ";4" : "")}m" : i == text.Peak ? "[[" : "[", close = colour ? "\e[0m" : i == text.Peak ? "]]" : "]";
            line.Append(piece.AsSpan(0, space)).Append(open).Append(piece.AsSpan(space)).Append(close);
        }
        return line.ToString().Trim();
    }

    private static string Visible(string text)
    {
        var shown = new StringBuilder();
        foreach (var rune in text.EnumerateRunes())
            shown.Append(rune.Value switch
            {
                '\n' => "↵",
                '\t' => "⇥",
                _ when Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator => $"<U+{rune.Value:X4}>",
                _ => rune.ToString(),
            });
        return shown.ToString();
    }

    private static void Say(Passage passage, double strongest, Terminal terminal) =>
        terminal.Say($"  {Number.Text(passage.Activation),LabelWidth - 2}  {Shaded(passage.Shaded, strongest, terminal.HasColours)}");

    private static void Say(string what, IReadOnlyList<Token> tokens, Terminal terminal)
    {
        if (tokens.Count > 0) terminal.Say($"  {what,-LabelWidth}{string.Join("  ", tokens.Select(t => $"{t.Text} {Number.Signed(t.Change)}"))}");
    }

    private static void Say(string what, IReadOnlyList<Like> latents, Terminal terminal)
    {
        if (latents.Count > 0) terminal.Say($"{what}: {string.Join("  ", latents.Select(l => $"{l.Latent} ({l.Likeness.ToString("0.00", CultureInfo.InvariantCulture)})"))}");
    }

    private static string Within(double? error, Func<double, string> text) => error switch
    {
        null => " (estimated: a token's latents are chosen together)",
        0 => "",
        { } e => $" (within {text(e)})",
    };
}
