using Parsimony.Files;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning;

/// <summary>Where a run that goes on from where it stopped keeps its state, its log lines and how its dials went: <c>checkpoint.safetensors</c>, <c>metrics.jsonl</c>, <c>trajectory.bin</c>.</summary>
/// <param name="folder">The run's folder; null: nothing is read or written.</param>
/// <param name="identity">What the checkpoint must have been made with, see <see cref="RunIdentity"/>.</param>
internal sealed class RunFiles(string? folder, IReadOnlyDictionary<string, string> identity)
{
    private const string Checkpoint = "checkpoint.safetensors", Metrics = "metrics.jsonl";
    private readonly DialTrajectoryLog? trajectory = folder is null ? null : new(Path.Combine(folder, DialTrajectory.FileName));

    /// <summary>Copies the checkpoint's tensors into the given ones.</summary>
    /// <returns>Its counts of the given names; null when there is none.</returns>
    /// <exception cref="InvalidDataException">It is damaged, or of another run.</exception>
    public IReadOnlyDictionary<string, long>? Load(IReadOnlyDictionary<string, Tensor> into, IEnumerable<string> counts)
    {
        if (folder is null) return null;
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        return RunCheckpoint.Load(Path.Combine(folder, Checkpoint), into, identity, counts);
    }

    /// <summary>Writes the checkpoint.</summary>
    public void Save(IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, long> counts)
    {
        if (folder is not null) RunCheckpoint.Save(Path.Combine(folder, Checkpoint), tensors, identity, counts);
    }

    /// <summary>Adds a line.</summary>
    public void Append<T>(T line, string file = Metrics)
    {
        if (folder is not null) MetricsFile.Append(Path.Combine(folder, file), line);
    }

    /// <summary>Drops the lines after a step.</summary>
    public void TruncateTo<T>(Func<T, long> stepOf, long step, string file = Metrics)
    {
        if (folder is not null) MetricsFile.TruncateTo(Path.Combine(folder, file), stepOf, step);
    }

    /// <summary>Adds where the dials are now to the trajectory; other adapters have none.</summary>
    public void AppendDials(long step, IAdapter adapter)
    {
        if (adapter is DialAdapter dials) trajectory?.Append(step, dials);
    }

    /// <summary>Drops what the trajectory has after a step.</summary>
    public void TruncateDials(long step) => trajectory?.TruncateTo(step);
}
