using System.Runtime.InteropServices;

namespace Parsimony.Exploration.Index;

/// <summary>What latents can be sorted by.</summary>
public enum IndexColumn
{
    /// <summary>Share of tokens fired on.</summary>
    Density,

    /// <summary>Mean activation over all tokens.</summary>
    Mean,

    /// <summary>Largest activation.</summary>
    Max,

    /// <summary>Measured effect on the next token, nats; latents where it was not measured come last.</summary>
    Effect,

    /// <summary>Contexts fired in.</summary>
    ContextsFired,
}

/// <summary>
/// What every latent of an SAE looks like on a text: a folder of mapped files, made by <see cref="FeatureIndexBuilder"/>. A latent is found in constant time however many there are; any number of
/// threads may read. Spans are of the mapped file: not to be used after <see cref="Dispose"/>.
/// </summary>
public sealed class FeatureIndex : IDisposable
{
    /// <summary>The folder's usual name in a run folder.</summary>
    public const string FolderName = "index";

    internal const string FeaturesFile = "features.bin", TokensFile = "tokens.bin", StateFile = "state.bin", FeaturesMagic = "PARSIDX\n", TokensMagic = "PARSTOK\n";

    private readonly IndexFile features, texts;
    private readonly MappedElements<float> density, mean, max, effect, threshold, intervalEnd;
    private readonly MappedElements<uint> fired, contextsFired, histogram, intervalCounts;
    private readonly MappedElements<int> peakToken, firstKey, tokenOffsets;
    private readonly MappedElements<double> sum, sumPre;
    private readonly MappedElements<Ranked> promoted, suppressed, raised, lowered, similar, coactive, tokenLatents;
    private readonly MappedElements<long> exampleOffsets;
    private readonly MappedElements<byte> examples, tokens;
    private bool isClosed;

    private FeatureIndex(IndexFile features, IndexFile texts)
    {
        (this.features, this.texts, Header) = (features, texts, features.Header);
        long n = Header.DSae, logits = n * Header.Options.LogitTokens, neighbours = n * Header.Options.Neighbours;
        (density, mean, max, effect) = (features.Section<float>("density", n), features.Section<float>("mean", n), features.Section<float>("max", n), features.Section<float>("effect", n));
        (fired, contextsFired, peakToken) = (features.Section<uint>("fired", n), features.Section<uint>("contexts_fired", n), features.Section<int>("peak_token", n));
        (sum, sumPre, threshold) = (features.Section<double>("sum", n), features.Section<double>("sum_pre", n), features.Section<float>("threshold", n));
        (firstKey, histogram) = (features.Section<int>("first_key", n), features.Section<uint>("histogram", n * HistogramBins.Count));
        (intervalEnd, intervalCounts) = (features.Section<float>("interval_end", n), features.Section<uint>("interval_counts", n * IndexState.Intervals));
        (promoted, suppressed) = (features.Section<Ranked>("promoted", logits), features.Section<Ranked>("suppressed", logits));
        (raised, lowered) = (features.Section<Ranked>("raised", logits), features.Section<Ranked>("lowered", logits));
        (similar, coactive) = (features.Section<Ranked>("similar", neighbours), features.Section<Ranked>("coactive", neighbours));
        (exampleOffsets, examples) = (features.Section<long>("example_offsets", n + 1), features.Section<byte>("examples"));
        (tokenOffsets, tokenLatents) = (features.Section<int>("token_offsets", Header.DVocab + 1L), features.Section<Ranked>("token_latents"));
        tokens = texts.Section<byte>("tokens", Header.Tokens * IdBytes(Header.DVocab));
    }

    /// <summary>From what the index is made.</summary>
    public IndexHeader Header { get; }

    /// <summary>Number of latents.</summary>
    public int DSae => Header.DSae;

    /// <summary>Share of the tokens each latent fires on, <c>[d_sae]</c>.</summary>
    public ReadOnlySpan<float> Density => Read(density);

    /// <summary>Mean activation over all tokens, <c>[d_sae]</c>.</summary>
    public ReadOnlySpan<float> Mean => Read(mean);

    /// <summary>Largest activation, <c>[d_sae]</c>; 0 of a latent that never fires.</summary>
    public ReadOnlySpan<float> Max => Read(max);

    /// <summary>Measured effect on the next token, nats, <c>[d_sae]</c>; not a number where it was not measured.</summary>
    public ReadOnlySpan<float> Effect => Read(effect);

    /// <summary>Tokens each latent fires on, <c>[d_sae]</c>.</summary>
    public ReadOnlySpan<uint> Fired => Read(fired);

    /// <summary>Contexts each latent fires in, <c>[d_sae]</c>.</summary>
    public ReadOnlySpan<uint> ContextsFired => Read(contextsFired);

    /// <summary>The token each latent fires on most, <c>[d_sae]</c>; -1 of one that never fires.</summary>
    public ReadOnlySpan<int> PeakToken => Read(peakToken);

    /// <summary>Bytes of an index for each latent, the text's tokens left out.</summary>
    public double BytesPerLatent => (double)Header.Bytes / DSae;

    /// <summary>Bytes of the text's tokens.</summary>
    public long TokenBytes => texts.Header.Bytes;

    /// <summary>Opens the index in a folder.</summary>
    /// <exception cref="FileNotFoundException">There is none, or one that is half made.</exception>
    /// <exception cref="InvalidDataException">A file is of another kind or version, was cut off, or belongs to another index.</exception>
    public static FeatureIndex Open(string folder)
    {
        (string file, string text) = (Path.Combine(folder, FeaturesFile), Path.Combine(folder, TokensFile));
        if (!File.Exists(file)) throw new FileNotFoundException(File.Exists(Path.Combine(folder, StateFile))
            ? $"the feature index in '{folder}' is half made. Repeat the 'parsimony index' that was interrupted; it goes on where it stopped."
            : $"'{folder}' holds no feature index (it has no {FeaturesFile}). Make one with 'parsimony index'.", file);
        if (!File.Exists(text)) throw new FileNotFoundException($"'{folder}' has a {FeaturesFile}, but no {TokensFile}, its text. {IndexFile.Again}", text);
        var features = IndexFile.Open(file, FeaturesMagic);
        IndexFile? texts = null;
        try
        {
            texts = IndexFile.Open(text, TokensMagic);
            if (texts.Header.TokensSha256 != features.Header.TokensSha256 || texts.Header.Tokens != features.Header.Tokens || texts.Header.DVocab != features.Header.DVocab)
                throw new InvalidDataException($"'{text}' is not the text that '{file}' was made from. {IndexFile.Again}");
            return new FeatureIndex(features, texts);
        }
        catch
        {
            features.Dispose();
            texts?.Dispose();
            throw;
        }
    }

    /// <summary>Refuses an index of another model, SAE or tokenizer; a hash that is unknown on either side is not compared.</summary>
    /// <param name="modelSha256">Of the model's weights.</param>
    /// <param name="saeSha256">Of the SAE's weights.</param>
    /// <param name="tokenizerSha256">Of tokenizer.json.</param>
    /// <exception cref="InvalidDataException">It is of another; the message says which.</exception>
    public void EnsureBelongsTo(string? modelSha256, string? saeSha256, string? tokenizerSha256)
    {
        foreach (var (what, mine, given) in (ReadOnlySpan<(string, string?, string?)>)
            [("model", Header.ModelSha256, modelSha256), ("SAE", Header.SaeSha256, saeSha256), ("tokenizer", Header.TokenizerSha256, tokenizerSha256)])
            if (mine is not null && given is not null && !mine.Equals(given, StringComparison.OrdinalIgnoreCase)) throw new InvalidDataException(
                $"'{Path.GetDirectoryName(features.Path)}' is the feature index of another {what}: SHA-256 {Short(mine)}, this one has {Short(given)}. Make one of this with 'parsimony index'.");
    }

    /// <summary>A latent's pre-activations.</summary>
    /// <param name="latent">0 to d_sae - 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such latent.</exception>
    public PreActivationHistogram Histogram(int latent)
    {
        Check(latent);
        return new(histogram.Slice((long)latent * HistogramBins.Count, HistogramBins.Count), firstKey[latent], threshold[latent], fired[latent], sum[latent], sumPre[latent], Header.IsJoint);
    }

    /// <summary>All that is known of a latent.</summary>
    /// <param name="latent">0 to d_sae - 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such latent.</exception>
    /// <exception cref="InvalidDataException">The index is damaged.</exception>
    public FeatureCard Card(int latent)
    {
        Check(latent);
        long from = exampleOffsets[latent], to = exampleOffsets[latent + 1];
        var shown = PackedExamples.Read(examples.Slice(from, to - from), Header, Context);
        double width = intervalEnd[latent] / IndexState.Intervals;
        var counts = intervalCounts.Slice((long)latent * IndexState.Intervals, IndexState.Intervals).ToArray();
        int last = Array.FindLastIndex(counts, count => count > 0);
        return new FeatureCard
        {
            Latent = latent,
            Density = (double)fired[latent] / Header.Tokens,
            MaxActivation = max[latent],
            MeanActivation = sum[latent] / Header.Tokens,
            Fired = fired[latent],
            ContextsFired = contextsFired[latent],
            Histogram = Histogram(latent),
            TopContexts = [.. shown.Where(e => e.Kind == 0).Select(e => e.Context)],
            Intervals = [.. Enumerable.Range(0, last + 1).Select(k => new FeatureInterval(k * width, (k + 1) * width, counts[k], [.. shown.Where(e => e.Kind == k + 1).Select(e => e.Context)]))],
            Promoted = Tokens(promoted, latent),
            Suppressed = Tokens(suppressed, latent),
            Effect = float.IsNaN(effect[latent]) ? null : effect[latent],
            Raised = Tokens(raised, latent),
            Lowered = Tokens(lowered, latent),
            Similar = Neighbours(similar, latent),
            Coactive = Neighbours(coactive, latent),
        };
    }

    /// <summary>The tokens of one of the text's contexts.</summary>
    /// <param name="context">Its number, 0-based.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such context.</exception>
    public int[] Context(int context)
    {
        if ((uint)context >= (uint)Header.Contexts) throw new ArgumentOutOfRangeException(nameof(context), $"there is no context {context}; the index's text has contexts 0 to {Header.Contexts - 1}.");
        ObjectDisposedException.ThrowIf(isClosed, this);
        int length = Header.SequenceLength, idBytes = IdBytes(Header.DVocab);
        var bytes = tokens.Slice((long)context * length * idBytes, length * idBytes);
        if (idBytes == sizeof(int)) return MemoryMarshal.Cast<byte, int>(bytes).ToArray();
        var ids = new int[length];
        var narrow = MemoryMarshal.Cast<byte, ushort>(bytes);
        for (int t = 0; t < length; t++) ids[t] = narrow[t];
        return ids;
    }

    /// <summary>Latents in the order of a column; of equal ones the lower index first.</summary>
    /// <param name="by">The column.</param>
    /// <param name="descending">Whether the largest come first.</param>
    /// <param name="where">Which to list; null: all.</param>
    public int[] Ranked(IndexColumn by, bool descending = true, Func<int, bool>? where = null)
    {
        ObjectDisposedException.ThrowIf(isClosed, this);
        int[] latents = where is null ? [.. Enumerable.Range(0, DSae)] : [.. Enumerable.Range(0, DSae).Where(where)];
        return LatentOrder.Sort(latents, by switch
        {
            IndexColumn.Density => i => density[i],
            IndexColumn.Mean => i => mean[i],
            IndexColumn.Max => i => max[i],
            IndexColumn.Effect => i => effect[i],
            _ => i => contextsFired[i],
        }, descending);
    }

    /// <summary>The latents whose strongest contexts have their peak on a token, those with the most of them first.</summary>
    /// <param name="token">Its id.</param>
    /// <returns>Latents, and in how many of their strongest contexts.</returns>
    public (int Latent, int Contexts)[] PeakingOn(int token)
    {
        ObjectDisposedException.ThrowIf(isClosed, this);
        if ((uint)token >= (uint)Header.DVocab) throw new ArgumentOutOfRangeException(nameof(token), $"there is no token {token}; the model has tokens 0 to {Header.DVocab - 1}.");
        return [.. tokenLatents.Slice(tokenOffsets[token], (long)tokenOffsets[token + 1] - tokenOffsets[token]).ToArray().Select(r => (r.Id, (int)r.Value))];
    }

    /// <summary>The latents that name one of some tokens among those they promote, directly or as measured.</summary>
    /// <param name="ids">Token ids.</param>
    public IReadOnlySet<int> Promoting(IReadOnlySet<int> ids)
    {
        var found = new HashSet<int>();
        int each = Header.Options.LogitTokens;
        foreach (var named in (MappedElements<Ranked>[])[promoted, raised])
        {
            var all = Read(named);
            for (int i = 0; i < all.Length; i++)
                if (all[i].Id >= 0 && ids.Contains(all[i].Id)) found.Add(i / each);
        }
        return found;
    }

    /// <summary>The tokens whose direct logits a latent raises most, highest first; see <see cref="FeatureCard.Promoted"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such latent.</exception>
    public (int Id, float Logit)[] Promoted(int latent)
    {
        Check(latent);
        return Tokens(promoted, latent);
    }

    /// <summary>The largest cosine of a latent's decoder row with another's, -1 to 1; not a number where neighbours were not kept.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such latent.</exception>
    public float NearestCosine(int latent)
    {
        Check(latent);
        return Header.Options.Neighbours > 0 && similar.Slice((long)latent * Header.Options.Neighbours, 1)[0] is { Id: >= 0 } nearest ? nearest.Value : float.NaN;
    }

    /// <summary>Bytes of a token's id in a vocabulary.</summary>
    internal static int IdBytes(int dVocab) => dVocab <= 1 << 16 ? sizeof(ushort) : sizeof(int);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (isClosed) return;
        isClosed = true;
        features.Dispose();
        texts.Dispose();
    }

    private static string Short(string sha256) => sha256.Length > 12 ? sha256[..12] + "…" : sha256;

    private ReadOnlySpan<T> Read<T>(MappedElements<T> column)
        where T : unmanaged
    {
        ObjectDisposedException.ThrowIf(isClosed, this);
        return column.All;
    }

    private void Check(int latent)
    {
        ObjectDisposedException.ThrowIf(isClosed, this);
        if ((uint)latent >= (uint)DSae) throw new ArgumentOutOfRangeException(nameof(latent), $"there is no latent {latent}; this SAE has latents 0 to {DSae - 1}.");
    }

    private (int Id, float Value)[] Tokens(MappedElements<Ranked> column, int latent) => Some(column, latent, Header.Options.LogitTokens);

    private Neighbour[] Neighbours(MappedElements<Ranked> column, int latent) => [.. Some(column, latent, Header.Options.Neighbours).Select(r => new Neighbour(r.Id, r.Value))];

    private static (int Id, float Value)[] Some(MappedElements<Ranked> column, int latent, int count) =>
        [.. column.Slice((long)latent * count, count).ToArray().Where(r => r.Id >= 0).Select(r => (r.Id, r.Value))];
}
