using System.Text.Json;
using Parsimony.Files;

namespace Parsimony.Exploration.Labels;

/// <summary>
/// Scores as a few numbers, for the store: a list each for the label, the peak token and the other latent's label (or null), in each the counts TP, FN, TN, FP of detection, those of fuzzing, Pearson and Spearman (or null).
/// </summary>
internal static class ScoreText
{
    private const int Numbers = 10;

    /// <summary>Writes them.</summary>
    public static string? Write(LabelScores? scores) => scores is null ? null : JsonSerializer.Serialize((double?[]?[])[List(scores.Label), List(scores.PeakToken), scores.Shuffled is null ? null : List(scores.Shuffled)], Json.Line);

    /// <summary>Reads them.</summary>
    /// <exception cref="InvalidDataException">They are damaged.</exception>
    public static LabelScores Read(string text)
    {
        try
        {
            if (JsonSerializer.Deserialize<double?[]?[]>(text, Json.Line) is [{ Length: Numbers } label, { Length: Numbers } peakToken, var other] && other is null or { Length: Numbers })
                return new(Score(label), Score(peakToken), other is null ? null : Score(other));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw Damaged(text, e);
        }
        throw Damaged(text, null);
    }

    private static double?[] List(PredictorScore s) => [.. Counts(s.Detection), .. Counts(s.Fuzzing), s.Pearson, s.Spearman];

    private static double?[] Counts(BinaryScore b) => [b.TruePositives, b.FalseNegatives, b.TrueNegatives, b.FalsePositives];

    private static PredictorScore Score(double?[] n) => new(Counted(n[..4]), Counted(n[4..8]), n[8], n[9]);

    private static BinaryScore Counted(double?[] n) => new((int)n[0]!.Value, (int)n[1]!.Value, (int)n[2]!.Value, (int)n[3]!.Value);

    private static InvalidDataException Damaged(string text, Exception? inner) => new($"{LabelStore.FileName} has scores that are none: '{text}'. It is damaged; move it away, then label again.", inner);
}
