using System.Globalization;
using System.Text;

namespace Parsimony.Explorer.Model;

/// <summary>
/// What is done to an SAE's latents in one view: a learned adapter, turned up or down, some of its latents back at rest, and latents changed by hand. The whole of it fits in an address,
/// so that a view can be sent to someone: <c>adapter=rlhf&amp;weight=0.5&amp;off=12.55&amp;edit=7c2d-0.1_9x4.2</c>.
/// </summary>
public sealed record FeatureEdits
{
    /// <summary>Nothing is done.</summary>
    public static FeatureEdits None { get; } = new();

    /// <summary>Name of the adapter; null: none.</summary>
    public string? Adapter { get; init; }

    /// <summary>How far along the way from rest (0) to what was learned (1) the dials are; -1 is as far the other way.</summary>
    public double Weight { get; init; } = 1;

    /// <summary>Latents whose learned dials are at rest.</summary>
    public IReadOnlySet<int> Off { get; init; } = new HashSet<int>();

    /// <summary>Latents changed by hand, upon what the adapter does to them.</summary>
    public IReadOnlyDictionary<int, LatentEdit> ByHand { get; init; } = new Dictionary<int, LatentEdit>();

    /// <summary>Whether nothing is done.</summary>
    public bool IsNone => (Adapter is null || Weight == 0) && ByHand.Values.All(e => e.IsIdle);

    /// <summary>The same with one latent of the adapter switched off, or on again.</summary>
    public FeatureEdits Switched(int latent, bool on) => this with { Off = new HashSet<int>(on ? Off.Where(i => i != latent) : Off.Append(latent)) };

    /// <summary>The same with one latent changed by hand; an edit that changes nothing is taken out.</summary>
    public FeatureEdits With(int latent, LatentEdit edit)
    {
        var byHand = new Dictionary<int, LatentEdit>(ByHand);
        if (edit.IsIdle) byHand.Remove(latent);
        else byHand[latent] = edit;
        return this with { ByHand = byHand };
    }

    /// <summary>The edits as part of an address, without its question mark; empty when nothing is done.</summary>
    public string ToQuery()
    {
        var parts = new List<string>();
        if (Adapter is not null) parts.Add("adapter=" + Uri.EscapeDataString(Adapter));
        if (Weight != 1) parts.Add("weight=" + Text(Weight));
        if (Off.Count > 0) parts.Add("off=" + string.Join('.', Off.Order()));
        if (ByHand.Count > 0) parts.Add("edit=" + string.Join('_', ByHand.OrderBy(e => e.Key).Select(e => Text(e.Key, e.Value))));
        return string.Join('&', parts);
    }

    /// <summary>Reads them from the parts of an address.</summary>
    /// <param name="adapter">The name; null or empty: none.</param>
    /// <param name="weight">-1 to 2; null: 1.</param>
    /// <param name="off">Latents, with points between.</param>
    /// <param name="edit">Edits by hand, with low lines between: latent, then c with its value, d with its value, or x with the value it is clamped to.</param>
    /// <param name="dSae">Number of latents.</param>
    /// <exception cref="ArgumentException">A part is not of this form, or names a latent that is not there.</exception>
    public static FeatureEdits Parse(string? adapter, string? weight, string? off, string? edit, int dSae)
    {
        double w = string.IsNullOrEmpty(weight) ? 1 : Number(weight, "weight");
        if (w is < -1 or > 2) throw new ArgumentException($"weight is {weight}; it must be -1 to 2: 0 is rest, 1 what was learned.");
        var byHand = new Dictionary<int, LatentEdit>();
        foreach (string one in (edit ?? "").Split('_', StringSplitOptions.RemoveEmptyEntries))
        {
            int digits = one.TakeWhile(char.IsAsciiDigit).Count();
            byHand[Latent(one[..digits], dSae)] = Edit(one, one[digits..]);
        }
        return new FeatureEdits
        {
            Adapter = string.IsNullOrEmpty(adapter) ? null : adapter,
            Weight = w,
            Off = (off ?? "").Split('.', StringSplitOptions.RemoveEmptyEntries).Select(text => Latent(text, dSae)).ToHashSet(),
            ByHand = byHand,
        };
    }

    private static LatentEdit Edit(string whole, string text)
    {
        var result = new LatentEdit();
        for (int at = 0; at < text.Length;)
        {
            char what = text[at++];
            int end = at;
            while (end < text.Length && (text[end] is '.' or '-' || char.IsAsciiDigit(text[end]))) end++;
            double value = Number(text[at..end], whole);
            result = what switch
            {
                'c' => result with { Scale = value },
                'd' => result with { Shift = value },
                'x' => result with { Clamp = value },
                _ => throw new ArgumentException($"'{whole}' is no edit of a latent. Write its number, then c, d or x with a value, such as 12c0.5d-0.1 or 12x4."),
            };
            at = end;
        }
        return result;
    }

    private static int Latent(string text, int dSae) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int latent) && latent < dSae ? latent
        : throw new ArgumentException($"there is no latent '{text}'; this SAE has latents 0 to {dSae - 1}.");

    private static double Number(string text, string what) => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && double.IsFinite(value) ? value
        : throw new ArgumentException($"'{text}' in {what} is not a number.");

    private static string Text(int latent, LatentEdit edit)
    {
        var text = new StringBuilder().Append(latent);
        if (edit.Clamp is { } x) return text.Append('x').Append(Text(x)).ToString();
        if (edit.Scale != 1) text.Append('c').Append(Text(edit.Scale));
        if (edit.Shift != 0) text.Append('d').Append(Text(edit.Shift));
        return text.ToString();
    }

    private static string Text(double value) => value.ToString("0.####", CultureInfo.InvariantCulture);
}
