using System.Diagnostics;
using Parsimony.Files;
using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Evaluation;

/// <summary>
/// The partial sums of an evaluation in one file, so that one which is interrupted at any moment goes on where the file stands and ends with the bits of
/// one that was not (on the same machine, with as many threads). The file takes 8 bytes for each token and each latent, and is replaced whole or not at all.
/// </summary>
public sealed class EvaluationCheckpoint
{
    private const string PositionKey = "evaluation", IdentityKey = "identity";
    private static readonly TimeSpan Usual = TimeSpan.FromSeconds(30);
    private readonly string path, identity;
    private readonly TimeSpan every;
    private readonly long opened = Stopwatch.GetTimestamp();
    private readonly Dictionary<string, Dictionary<string, double[]>> saved = [];
    private readonly EvaluationPosition? start;
    private long lastSave = Stopwatch.GetTimestamp();

    /// <summary>Opens a checkpoint. One of another evaluation is not gone on with: it is replaced by the first that is saved.</summary>
    /// <param name="path">The file; it need not be there.</param>
    /// <param name="identity">Everything that the figures depend on: the hashes of model, autoencoder and windows, the hook point, the windows of a pass, dials.</param>
    /// <param name="every">How often it is saved; the default is every 30 seconds, zero is after every batch. At an interruption it is saved in any case.</param>
    /// <exception cref="InvalidDataException">The file is no checkpoint of an evaluation.</exception>
    public EvaluationCheckpoint(string path, string identity, TimeSpan? every = null)
    {
        (this.path, this.identity, this.every) = (path, identity, every ?? Usual);
        if (!File.Exists(path)) return;
        using var file = SafetensorsFile.Open(path);
        if (!file.Metadata.TryGetValue(PositionKey, out string? position)) throw new InvalidDataException(
            $"'{path}' is not a checkpoint of an evaluation: its metadata has no {PositionKey}. Delete it to begin anew.");
        IsOfAnother = file.Metadata.GetValueOrDefault(IdentityKey) != identity;
        if (IsOfAnother) return;
        start = Json.Parse<EvaluationPosition>(position, path);
        foreach (string name in file.Tensors.Keys)
        {
            using var values = file.Read(name, ScalarType.Float64);
            string[] parts = name.Split('.', 2);
            if (!saved.TryGetValue(parts[0], out var sums)) saved[parts[0]] = sums = [];
            sums[parts[1]] = values.data<double>().ToArray();
        }
    }

    /// <summary>Whether the file that was found is of another evaluation.</summary>
    public bool IsOfAnother { get; }

    /// <summary>Tokens that earlier calls have done, over all stages.</summary>
    public long TokensBefore => start?.TokensDone ?? 0;

    /// <summary>Seconds that they took.</summary>
    public double SecondsBefore => start?.Seconds ?? 0;

    /// <summary>Whether it is time to save.</summary>
    internal bool IsDue => Stopwatch.GetElapsedTime(lastSave) >= every;

    /// <summary>Batches of a stage that are done, and the tokens in them; null: all of them.</summary>
    internal (int Batches, long Tokens)? Done(int stage) =>
        start is null || start.Stage < stage ? (0, 0) : start.Stage > stage ? null : (start.Batches, start.StageTokens);

    /// <summary>Lets sums go on from those that were saved under their name; leaves them as they are when there are none.</summary>
    internal void Restore(string name, IPartialSums sums)
    {
        if (saved.TryGetValue(name, out var values)) sums.Restore(values);
    }

    /// <summary>Writes where an evaluation stands.</summary>
    internal void Save(EvaluationPosition position, IReadOnlyDictionary<string, IPartialSums> sums)
    {
        using var scope = NewDisposeScope();
        var tensors = from part in sums
                      from array in part.Value.Save()
                      select KeyValuePair.Create($"{part.Key}.{array.Key}", tensor(array.Value, ScalarType.Float64));
        SafetensorsFile.Write(path, tensors.ToList(), new Dictionary<string, string>
        {
            [IdentityKey] = identity,
            [PositionKey] = Json.WriteLine(position with { Seconds = SecondsBefore + Stopwatch.GetElapsedTime(opened).TotalSeconds }),
        });
        lastSave = Stopwatch.GetTimestamp();
    }
}

/// <summary>Where an evaluation stands.</summary>
/// <param name="Stage">Which of its stages, 0-based.</param>
/// <param name="Batches">Batches of that stage that are done.</param>
/// <param name="StageTokens">Tokens in them.</param>
/// <param name="TokensDone">Tokens done over all stages.</param>
/// <param name="Seconds">Seconds spent.</param>
internal sealed record EvaluationPosition(int Stage, int Batches, long StageTokens, long TokensDone, double Seconds = 0);
