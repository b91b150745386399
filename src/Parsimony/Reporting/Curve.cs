using System.Text;

namespace Parsimony.Reporting;

/// <summary>One logged number over the steps of a run, thinned for a picture.</summary>
/// <param name="Steps">Step of each point, ascending.</param>
/// <param name="Values">Value of each point.</param>
/// <param name="StepsPerPoint">Logged steps behind one point, which is their mean.</param>
public sealed record Curve(double[] Steps, double[] Values, int StepsPerPoint)
{
    private const int MostPoints = 300;

    /// <summary>Reads curves from a run's <c>metrics.jsonl</c>; see <see cref="CurvePoints"/>.</summary>
    /// <param name="path">The file; if it does not exist there are no curves.</param>
    /// <param name="names">The keys to read.</param>
    /// <returns>The curves that have at least two points, by key.</returns>
    public static IReadOnlyDictionary<string, Curve> Read(string path, params IReadOnlyList<string> names)
    {
        var points = new CurvePoints();
        if (File.Exists(path))
            foreach (string line in File.ReadLines(path)) points.Add(Encoding.UTF8.GetBytes(line));
        return points.Curves().Where(curve => names.Contains(curve.Key)).ToDictionary();
    }

    /// <summary>The curves that <see cref="ReportHtml"/> shows, from the logs of a run.</summary>
    /// <param name="training">The <c>metrics.jsonl</c> of the autoencoder's training.</param>
    /// <param name="finetune">That of fine-tuning; null for none.</param>
    /// <param name="rlhf">That of learning from rewards; null for none.</param>
    /// <returns><c>loss, mse, l0, explained_variance, dead_fraction, finetune_loss, rlhf_reward, rlhf_kl</c>, those that are there.</returns>
    public static IReadOnlyDictionary<string, Curve> OfRun(string training, string? finetune = null, string? rlhf = null)
    {
        var curves = new Dictionary<string, Curve>(Read(training, "loss", "mse", "l0", "explained_variance", "dead_fraction"));
        if (finetune is not null && Read(finetune, "loss").TryGetValue("loss", out var loss)) curves["finetune_loss"] = loss;
        if (rlhf is not null)
            foreach (var (name, curve) in Read(rlhf, "reward", "full_kl")) curves[name == "reward" ? "rlhf_reward" : "rlhf_kl"] = curve;
        return curves;
    }

    /// <summary>A curve of at most 300 points, each the mean of as many neighbours.</summary>
    public static Curve Thin(double[] steps, double[] values)
    {
        int per = Math.Max(1, (steps.Length + MostPoints - 1) / MostPoints);
        return new Curve([.. steps.Chunk(per).Select(c => c.Average())], [.. values.Chunk(per).Select(c => c.Average())], per);
    }
}
