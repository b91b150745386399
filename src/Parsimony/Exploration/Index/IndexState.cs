namespace Parsimony.Exploration.Index;

/// <summary>A number of something and a value: a token and its logit, a latent and its cosine. -1 is nothing.</summary>
internal struct Ranked
{
    public int Id;
    public float Value;
}

/// <summary>A place in the text where a latent fires, followed in memory by its activations in the window around, two bytes each.</summary>
internal struct Example
{
    public uint Context;
    public ushort Position;
    public ushort Unused;
    public float Value;
    public uint Hash;
}

/// <summary>Where the making of an index stands.</summary>
/// <param name="Identity">Everything that the index depends on.</param>
/// <param name="Stage">Which of its stages, 0-based.</param>
/// <param name="Done">How far that stage has come, in its own units.</param>
internal sealed record IndexPosition(string Identity, int Stage, long Done);

/// <summary>What is known of every latent while an index is made; what is saved so that nothing is lost with the process.</summary>
internal sealed unsafe class IndexState : LatentTable
{
    /// <summary>Intervals of a latent's activation, all of one width.</summary>
    public const int Intervals = 8;

    private const long SketchBytes = 64 << 20;
    private const int LeastSketch = 128;

    /// <param name="latents">How many.</param>
    /// <param name="options">What is kept.</param>
    /// <param name="firings">Firings in a latent's sketch at most.</param>
    public IndexState(int latents, FeatureIndexOptions options, int firings)
        : base(latents)
    {
        ExampleBytes = (sizeof(Example) + sizeof(ushort) * options.Window + 7) & -8;
        Firings = firings;
        (Top, PerInterval) = (options.TopContexts, options.SamplesPerInterval);
        (LogitTokens, Neighbours) = (options.LogitTokens, options.Neighbours);
        Fired = Column<uint>("fired");
        ContextsFired = Column<uint>("contexts_fired");
        Sum = Column<double>("sum");
        SumPre = Column<double>("sum_pre");
        Max = Column<float>("max");
        PeakToken = Column<int>("peak_token");
        FirstKey = Column<int>("first_key");
        Histogram = Column<uint>("histogram", HistogramBins.Count);
        IntervalEnd = Column<float>("interval_end");
        IntervalCounts = Column<uint>("interval_counts", Intervals);
        TopCount = Column<int>("top_count");
        TopFloor = Column<float>("top_floor");
        TopExamples = Column<byte>("top_examples", (long)Top * ExampleBytes);
        SampleCounts = Column<byte>("sample_counts", Intervals);
        SampleLimits = Column<uint>("sample_limits", Intervals);
        Samples = Column<byte>("samples", (long)Intervals * PerInterval * ExampleBytes);
        SketchCount = Column<int>("sketch_count");
        Sketch = Column<ulong>("sketch", Firings);
        Promoted = Column<Ranked>("promoted", LogitTokens);
        Suppressed = Column<Ranked>("suppressed", LogitTokens);
        Raised = Column<Ranked>("raised", LogitTokens);
        Lowered = Column<Ranked>("lowered", LogitTokens);
        Effect = Column<float>("effect");
        Similar = Column<Ranked>("similar", Neighbours);
        Coactive = Column<Ranked>("coactive", Neighbours);
        new Span<uint>(SampleLimits, latents * Intervals).Fill(PerInterval == 0 ? 0 : uint.MaxValue);
        new Span<float>(Effect, latents).Fill(float.NaN);
        new Span<int>(PeakToken, latents).Fill(-1);
        foreach (var (column, each) in (((nint, int)[])[((nint)Promoted, LogitTokens), ((nint)Suppressed, LogitTokens), ((nint)Raised, LogitTokens), ((nint)Lowered, LogitTokens),
            ((nint)Similar, Neighbours), ((nint)Coactive, Neighbours)]))
            for (long i = 0; i < (long)latents * each; i++) ((Ranked*)column)[i].Id = -1;
    }

    /// <summary>Firings that a latent's sketch has room for: together they take 64 MiB, or 128 of each latent.</summary>
    public static int FiringsOf(int latents, long tokens) => (int)Math.Min(tokens, Math.Max(LeastSketch, SketchBytes / sizeof(ulong) / latents));

    /// <summary>Bytes of an <see cref="Example"/> with its window.</summary>
    public int ExampleBytes { get; }

    /// <summary>Firings in a latent's sketch at most.</summary>
    public int Firings { get; }

    /// <summary>What the options say.</summary>
    public int Top { get; }

    public int PerInterval { get; }

    public int LogitTokens { get; }

    public int Neighbours { get; }

    public uint* Fired { get; }

    public uint* ContextsFired { get; }

    public double* Sum { get; }

    public double* SumPre { get; }

    public float* Max { get; }

    public int* PeakToken { get; }

    public int* FirstKey { get; }

    public uint* Histogram { get; }

    /// <summary>Where a latent's last interval ends, a power of two; 0 while it has not fired.</summary>
    public float* IntervalEnd { get; }

    public uint* IntervalCounts { get; }

    public int* TopCount { get; }

    /// <summary>What a context's peak must exceed to be kept; 0 while there is room.</summary>
    public float* TopFloor { get; }

    public byte* TopExamples { get; }

    public byte* SampleCounts { get; }

    /// <summary>What a sample's hash must be below to be kept.</summary>
    public uint* SampleLimits { get; }

    public byte* Samples { get; }

    public int* SketchCount { get; }

    /// <summary>Tokens with the smallest hashes among those on which a latent fires: hash and token.</summary>
    public ulong* Sketch { get; }

    public Ranked* Promoted { get; }

    public Ranked* Suppressed { get; }

    public Ranked* Raised { get; }

    public Ranked* Lowered { get; }

    public float* Effect { get; }

    public Ranked* Similar { get; }

    public Ranked* Coactive { get; }

    /// <summary>The i-th strongest context of a latent.</summary>
    public Example* TopExample(int latent, int i) => (Example*)(TopExamples + ((long)latent * Top + i) * ExampleBytes);

    /// <summary>The i-th sample of an interval of a latent.</summary>
    public Example* Sample(int latent, int interval, int i) => (Example*)(Samples + (((long)latent * Intervals + interval) * PerInterval + i) * ExampleBytes);

    /// <summary>An example's activations.</summary>
    public static ushort* Window(Example* example) => (ushort*)(example + 1);
}
