using Parsimony.FineTuning;
using Parsimony.Models;

namespace Parsimony.Explorer.Comparing;

/// <summary>How the dials of one latent went.</summary>
/// <param name="Latent">Index of the latent.</param>
/// <param name="TopToken">The token it fires on most; null where that is not known.</param>
/// <param name="Scale">c at each step.</param>
/// <param name="Shift">d at each step.</param>
public sealed record Trajectory(int Latent, string? TopToken, double[] Scale, double[] Shift);

/// <summary>How the dials went that were moved most.</summary>
/// <param name="Steps">The logged steps, ascending.</param>
/// <param name="Latents">Those moved most, by what the index predicts their dials do; without an index by the dials alone.</param>
public sealed record Trajectories(IReadOnlyList<long> Steps, IReadOnlyList<Trajectory> Latents)
{
    /// <summary>Reads them; null where a run has kept none.</summary>
    /// <param name="explored">The run.</param>
    /// <param name="log">finetune, dpo or rlhf.</param>
    /// <param name="most">Latents at most.</param>
    /// <param name="besides">One that is wanted in any case; null: none.</param>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public static Trajectories? Of(Explored explored, string log, int most = 8, int? besides = null)
    {
        string folder = Path.GetDirectoryName(explored.Run.Logs()[log])!;
        using var file = DialTrajectory.Open(Path.Combine(folder, DialTrajectory.FileName));
        if (file is null || file.Steps.Count == 0) return null;
        var index = explored.Index;
        var at = index is not null && file.Hooks.ContainsKey(index.Header.Hook) ? index.Header.Hook : file.Hooks.Keys.OrderBy(h => h.Layer).First();
        int[] latents = explored.Run.Files.Adapters().Any(a => a.Name == log) && Comparison.Of(explored, log) is { } made && made.DSae == file.Hooks[at]
            ? [.. made.Features.Take(most).Select(f => f.Latent)] : MostMoved(explored, file, at, most);
        if (besides is { } wanted && wanted >= 0 && wanted < file.Hooks[at] && !latents.Contains(wanted)) latents = [.. latents, wanted];
        return new(file.Steps, [.. latents.Select(i =>
        {
            var (scale, shift) = file.Of(at, i);
            return new Trajectory(i, Comparison.TopToken(explored, i), scale, shift);
        })]);
    }

    // Of a run under way there is no adapter yet: by where its dials are now.
    private static int[] MostMoved(Explored explored, DialTrajectory file, HookPoint at, int most)
    {
        var (scale, shift) = file.Row(at, file.Steps.Count - 1);
        var index = explored.Index is { } there && there.DSae == scale.Length ? there : null;
        return [.. Enumerable.Range(0, scale.Length).Where(i => scale[i] != 1 || shift[i] != 0)
            .OrderByDescending(i => index is null ? Math.Abs(scale[i] - 1) + Math.Abs(shift[i]) : index.Histogram(i).Moved(scale[i], shift[i])).Take(most)];
    }
}
