using System.Text.Json;

namespace Parsimony.Reporting;

/// <summary>
/// The numbers of a run's log, line by line: every line is one object with a number <c>step</c>. Lines that cannot be read (the last one of a run that was killed) are left out; of a step
/// logged twice (a resumed run) the later one counts.
/// </summary>
internal sealed class CurvePoints
{
    private readonly Dictionary<string, SortedDictionary<double, double>> points = [];

    /// <summary>The keys that have at least two points, as curves.</summary>
    public Dictionary<string, Curve> Curves() => points.Where(p => p.Value.Count > 1).ToDictionary(p => p.Key, p => Curve.Thin([.. p.Value.Keys], [.. p.Value.Values]));

    /// <summary>Forgets all.</summary>
    public void Clear() => points.Clear();

    /// <summary>Takes a line in.</summary>
    /// <param name="line">UTF-8.</param>
    public void Add(ReadOnlyMemory<byte> line)
    {
        try
        {
            using var json = JsonDocument.Parse(line);
            if (json.RootElement.ValueKind != JsonValueKind.Object || !json.RootElement.TryGetProperty("step", out var step) || step.ValueKind != JsonValueKind.Number) return;
            double at = step.GetDouble();
            foreach (var value in json.RootElement.EnumerateObject())
            {
                if (value.Name is "step" or "steps" || value.Value.ValueKind != JsonValueKind.Number) continue;
                if (!points.TryGetValue(value.Name, out var series)) points[value.Name] = series = [];
                series[at] = value.Value.GetDouble();
            }
        }
        catch (JsonException)
        {
            // A run that was killed may leave half a line.
        }
    }
}
