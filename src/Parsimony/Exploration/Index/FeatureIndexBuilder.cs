using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Parsimony.Autoencoders;
using Parsimony.Files;
using Parsimony.Models;
using Parsimony.Tokens;
using Parsimony.Training.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Exploration.Index;

/// <summary>How far the making of an index has come.</summary>
/// <param name="Stage">What is being done, in a word or two.</param>
/// <param name="Done">How much of it.</param>
/// <param name="Total">Of how much.</param>
/// <param name="Unit">What is counted, in the plural.</param>
public readonly record struct IndexProgress(string Stage, long Done, long Total, string Unit);

/// <summary>
/// Makes a <see cref="FeatureIndex"/>: one pass of the model over a text, then what follows from the weights and from the latents' own contexts. Where it stands is saved from time to time, and a process
/// that was killed goes on from there to the very same bytes (on the same machine, with as many threads). Memory depends on the number of latents, not on the length of the text, but for eight bytes
/// a token while co-activation is worked out.
/// </summary>
public sealed unsafe class FeatureIndexBuilder : IDisposable
{
    private const long Encoded = 1 << 20, DirectLogitsAtOnce = 1 << 24;
    private readonly string folder, identity;
    private readonly Transformer model;
    private readonly HookPoint at;
    private readonly ISparseAutoencoder sae;
    private readonly IReadOnlyList<int[]> contexts;
    private readonly FeatureIndexOptions options;
    private readonly IndexHeader header;
    private readonly ActivationRule rule;
    private readonly IndexState state;
    private readonly ThreadTeam team = new(get_num_threads());
    private readonly LatentPass pass;
    private int[]? candidates;
    private MeasuredEffects? effects;
    private CoactiveNeighbours? coactive;
    private long lastSave = Stopwatch.GetTimestamp();

    /// <summary>Prepares; what an earlier process began here with the same model, SAE, text and options is gone on with.</summary>
    /// <param name="folder">Where the index goes.</param>
    /// <param name="model">The language model; stays the caller's.</param>
    /// <param name="at">Where the SAE sits.</param>
    /// <param name="sae">The SAE; stays the caller's.</param>
    /// <param name="contexts">Token contexts, one or more, all of one length.</param>
    /// <param name="source">Names and hashes.</param>
    /// <param name="options">What is kept; null for the defaults.</param>
    /// <exception cref="ArgumentException">No contexts, contexts of several lengths, an option out of its range, or an SAE of another width.</exception>
    public FeatureIndexBuilder(
        string folder, Transformer model, HookPoint at, ISparseAutoencoder sae, IReadOnlyList<int[]> contexts, IndexSource source, FeatureIndexOptions? options = null)
    {
        this.options = options = (options ?? new()).Validated();
        if (contexts.Count == 0) throw new ArgumentException("There are no contexts to look through; at least one is needed.");
        if (model.Width(at.Site) != sae.DModel || sae.DOut != sae.DModel) throw new ArgumentException(
            $"the SAE is {sae.DModel} wide; {at} of this model is {model.Width(at.Site)} wide. Use an autoencoder of this hook point.");
        (this.folder, this.model, this.at, this.sae, this.contexts, rule) = (folder, model, at, sae, contexts, ActivationRule.Of(sae));
        int length = contexts[0].Length;
        if (length > ushort.MaxValue || (long)contexts.Count * length > uint.MaxValue) throw new ArgumentException(
            $"the text is {contexts.Count} contexts of {length} tokens; an index takes contexts of {ushort.MaxValue} and {uint.MaxValue} tokens in all.");
        state = new IndexState(sae.DSae, options, IndexState.FiringsOf(sae.DSae, (long)contexts.Count * length));
        header = new IndexHeader
        {
            ModelName = source.ModelName,
            ModelSha256 = model.Sha256,
            ModelWeights = model.Storage,
            SaeSha256 = source.SaeSha256,
            TokenizerSha256 = source.TokenizerSha256,
            Hook = at,
            Architecture = sae.Architecture,
            IsJoint = rule.IsJoint,
            DSae = sae.DSae,
            DVocab = model.Config.DVocab,
            Text = source.Text,
            TokensSha256 = Hash(contexts, length),
            Contexts = contexts.Count,
            SequenceLength = length,
            Options = options with { CheckpointEverySeconds = 0 }, // when it was saved is not a part of it
            CoactivationFirings = state.Firings,
        };
        identity = Json.WriteLine(header);
        pass = new LatentPass(state, rule, options, length, team);
        IsComplete = File.Exists(FeaturesFile) && HasIdentity();
        if (!IsComplete && File.Exists(StateFile))
            Position = state.Restore<IndexPosition>(StateFile, p => p.Identity == identity) is { } found && found.Identity == identity ? found : null;
    }

    /// <summary>Whether the index is there already, of the same model, SAE, text and options.</summary>
    public bool IsComplete { get; private set; }

    /// <summary>Bytes of memory that it takes at most, model and SAE left out.</summary>
    public long StateBytes => state.Bytes;

    internal IndexPosition? Position { get; private set; }

    private string FeaturesFile => Path.Combine(folder, FeatureIndex.FeaturesFile);

    private string StateFile => Path.Combine(folder, FeatureIndex.StateFile);

    /// <summary>Makes the index, or goes on with it; does nothing where it is there.</summary>
    /// <param name="progress">Told after every batch.</param>
    /// <param name="cancellation">Saves where it stands, and stops, between two batches.</param>
    /// <returns>What is on disk now.</returns>
    /// <exception cref="OperationCanceledException">Cancelled; the same call goes on from here.</exception>
    /// <exception cref="InvalidOperationException">A pre-activation is not finite.</exception>
    /// <exception cref="IOException">The disk is full.</exception>
    public IndexHeader Build(IProgress<IndexProgress>? progress = null, CancellationToken cancellation = default)
    {
        if (IsComplete)
        {
            File.Delete(StateFile); // of a process killed behind its last file
            return Existing();
        }
        DiskSpace.Ensure(folder, state.Bytes, "The feature index, with where it stands while it is made,", "Free some space, or name another folder with --out.");
        (string Name, long Total, string Unit, Func<long, long> Next)[] stages =
        [
            ("latents", contexts.Count, "contexts", Pass),
            ("direct logits", state.Latents, "latents", Direct),
            ("effects", 0, "latents", Measure),
            ("decoder neighbours", state.Latents, "latents", Similar),
            ("co-activation", state.Latents, "latents", Together),
        ];
        for (int stage = Position?.Stage ?? 0; stage < stages.Length; stage++)
        {
            var (name, total, unit, next) = stages[stage];
            if (next == Measure) total = (effects ??= new(state, model, at, sae, contexts, options, Candidates())).Latents.Length;
            for (long done = Position is { } p && p.Stage == stage ? p.Done : 0; done < total;)
            {
                if (cancellation.IsCancellationRequested) Save(stage, done);
                cancellation.ThrowIfCancellationRequested();
                done = next(done);
                progress?.Report(new(name, done, total, unit));
                if (Stopwatch.GetElapsedTime(lastSave).TotalSeconds >= options.CheckpointEverySeconds) Save(stage, done);
            }
        }
        IndexWriter.Tokens(Path.Combine(folder, FeatureIndex.TokensFile), header, contexts);
        var written = IndexWriter.Features(FeaturesFile, header, state, rule, contexts);
        File.Delete(StateFile);
        IsComplete = true;
        return written;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        team.Dispose();
        state.Dispose();
    }

    private void Save(int stage, long done)
    {
        state.Save(StateFile, Position = new(identity, stage, done));
        lastSave = Stopwatch.GetTimestamp();
    }

    private long Pass(long first)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        int length = header.SequenceLength, count = (int)Math.Min(options.BatchContexts, contexts.Count - first);
        var batch = Enumerable.Range((int)first, count).Select(c => contexts[c]).ToList();
        var x = model.Activations(at, ContextPacker.ToTensor(batch));                   // [contexts, seq, d_model]
        int some = (int)Math.Clamp(Encoded / ((long)length * sae.DSae), 1, count);      // as many as stay in cache
        for (int c = 0; c < count; c += some)
        {
            using var inner = NewDisposeScope();
            int n = Math.Min(some, count - c);
            var pre = sae.PreActivations(x.narrow(0, c, n)).cpu().contiguous();         // [some, seq, d_sae]
            var f = rule.IsJoint ? sae.Activate(pre.to(sae.WDec.device)).cpu().contiguous() : null;
            pass.Take(pre.Pointer(), f is null ? null : f.Pointer(), batch.GetRange(c, n), first + c);
        }
        return first + count;
    }

    private long Direct(long first)
    {
        long end = Math.Min(state.Latents, first + Math.Clamp(DirectLogitsAtOnce / model.Config.DVocab, 1, 1024));
        using var latents = arange(first, end, ScalarType.Int64, device: sae.WDec.device);
        var (promoted, suppressed) = DirectLogits.Ranked(model, at, sae, latents, Candidates(), options.LogitTokens);
        for (long i = first; i < end; i++)
            for (int k = 0; k < promoted[i - first].Length; k++)
            {
                (int id, float logit) = promoted[i - first][k];
                state.Promoted[i * state.LogitTokens + k] = new() { Id = id, Value = logit };
                (id, logit) = suppressed[i - first][k];
                state.Suppressed[i * state.LogitTokens + k] = new() { Id = id, Value = logit };
            }
        return end;
    }

    private long Measure(long first)
    {
        long end = Math.Min(effects!.Latents.Length, first + MeasuredEffects.Group);
        effects.Measure((int)first, (int)end);
        return end;
    }

    private long Similar(long first)
    {
        long end = Math.Min(state.Latents, first + DecoderCosines.Rows(state.Latents));
        DecoderNeighbours.Find(state, sae, (int)first, (int)end);
        return end;
    }

    private long Together(long first)
    {
        if (state.Neighbours == 0) return state.Latents;
        coactive ??= new(state, header.Tokens, team);
        long end = Math.Min(state.Latents, first + 256);
        coactive.Find((int)first, (int)end);
        return end;
    }

    private int[] Candidates() => candidates ??= options.OnlyTokensSeen
        ? [.. contexts.SelectMany(context => context).Distinct().Order()] : [.. Enumerable.Range(0, model.Config.DVocab)];

    private bool HasIdentity()
    {
        try
        {
            return Json.WriteLine(Existing() with { Sections = [], Bytes = 0 }) == identity;
        }
        catch (Exception e) when (e is InvalidDataException or IOException)
        {
            return false; // made anew
        }
    }

    private IndexHeader Existing()
    {
        using var index = FeatureIndex.Open(folder);
        return index.Header;
    }

    private static string Hash(IReadOnlyList<int[]> contexts, int length)
    {
        using var all = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (int c = 0; c < contexts.Count; c++)
        {
            int[] ids = contexts[c];
            if (ids.Length != length) throw new ArgumentException("The contexts have several lengths; expected one, as the context packer makes them.");
            all.AppendData(MemoryMarshal.AsBytes<int>(ids));
        }
        return Convert.ToHexStringLower(all.GetHashAndReset());
    }
}
