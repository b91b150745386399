namespace Parsimony.Exploration.Index;

/// <summary>A figure predicted from a histogram.</summary>
/// <param name="Value">The figure.</param>
/// <param name="Error">How far it can be from the true one at most; null where there is no such bound, because a token's latents are chosen together.</param>
public readonly record struct DialEstimate(double Value, double? Error);

/// <summary>
/// How a latent's pre-activations lie on a text, those below its threshold too: from it follow its density and mean activation under any scale and shift,
/// <c>f = ReLU(c z + d)</c>, without another pass.
/// </summary>
/// <remarks>
/// A latent fires where <c>c z + d</c> exceeds its threshold, for <c>c &gt; 0</c> where z exceeds <c>(threshold - d) / c</c>. Counts and sums beyond the old threshold are known exactly; what lies
/// between the old and the new one is known by its bins. So the density is off by the tokens of one bin at most, and the mean by how far values can be apart within the bins between.
/// Where latents are chosen together (TopK) the smallest value that was chosen is taken to stay what it was; that is an estimate.
/// </remarks>
public sealed class PreActivationHistogram
{
    private const double Rounding = 1.0 / (1 << 19); // relative: of sums kept in float32 over 32 tokens, and of c z + d in a pass
    private readonly uint[] counts;
    private readonly int firstKey;
    private readonly double sumFired, sumAll;
    private readonly long fired, tokens;
    private readonly bool isJoint;

    /// <param name="counts">Of each bin, the lowest values first.</param>
    /// <param name="firstKey">Key of the first bin on each side.</param>
    /// <param name="threshold">What the latent's pre-activation must exceed, 0 or more.</param>
    /// <param name="fired">Tokens on which it fires.</param>
    /// <param name="sumFired">Sum of its activations.</param>
    /// <param name="sumAll">Sum of its pre-activations.</param>
    /// <param name="isJoint">Whether the token's other latents decide too.</param>
    internal PreActivationHistogram(ReadOnlySpan<uint> counts, int firstKey, float threshold, long fired, double sumFired, double sumAll, bool isJoint)
    {
        (this.counts, this.firstKey, Threshold) = (counts.ToArray(), firstKey, threshold);
        (this.fired, this.sumFired, this.sumAll, this.isJoint) = (fired, sumFired, sumAll, isJoint);
        foreach (uint count in counts) tokens += count;
    }

    /// <summary>What the pre-activation must exceed for the latent to fire.</summary>
    public float Threshold { get; }

    /// <summary>Tokens in each bin, the lowest pre-activations first; the first half is at or below the threshold.</summary>
    public IReadOnlyList<uint> Counts => counts;

    /// <summary>Where the i-th bin begins, in units of the pre-activation; of the one behind the last, where the last ends.</summary>
    /// <param name="i">0 to the number of bins.</param>
    public double Edge(int i) => Threshold + Distance(i);

    /// <summary>Share of the tokens on which the latent fires under its dials.</summary>
    /// <param name="scale">c.</param>
    /// <param name="shift">d.</param>
    public DialEstimate Density(double scale, double shift) => tokens == 0 ? new(0, 0)
        : scale == 1 && shift == 0 ? new((double)fired / tokens, 0)
        : scale == 0 ? new(shift > Threshold ? 1 : 0, isJoint ? null : 0)
        : Predict(scale, shift, (_, _) => (1, 0), 0);

    /// <summary>Mean activation over all tokens under its dials.</summary>
    /// <param name="scale">c.</param>
    /// <param name="shift">d.</param>
    public DialEstimate Mean(double scale, double shift) => tokens == 0 ? new(0, 0)
        : scale == 1 && shift == 0 ? new(sumFired / tokens, 0)
        : scale == 0 ? new(shift > Threshold ? shift : 0, isJoint ? null : 0)
        : Predict(scale, shift, (onset, floor) => (floor - scale * onset, scale), Rounding * (Math.Abs(scale) * MeanSize() + Math.Abs(shift)));

    /// <summary>How far its dials move the latent, <c>mean |f' - f|</c> over all tokens, in units of the activation; a bin's tokens are taken to lie in its middle.</summary>
    /// <param name="scale">c.</param>
    /// <param name="shift">d.</param>
    public double Moved(double scale, double shift)
    {
        if (tokens == 0 || (scale == 1 && shift == 0)) return 0;
        double floor = Floor, moved = 0;
        for (int i = 0; i < counts.Length; i++)
        {
            if (counts[i] == 0) continue;
            double z = (Edge(i) + Edge(i + 1)) / 2, after = scale * z + shift;
            moved += counts[i] * Math.Abs((after > floor ? after : 0) - (z > floor ? z : 0));
        }
        return moved / tokens;
    }

    /// <summary>The tokens in bins of one width, for the eye: what lies in a bin of the histogram is spread evenly over those it covers, what lies beyond the ends is in the first and the last.</summary>
    /// <param name="edges">Where the bins begin, and where the last one ends; two or more, evenly apart.</param>
    /// <param name="scale">c: the value is <c>c z + d</c>.</param>
    /// <param name="shift">d.</param>
    /// <param name="above">Values at or below it are left out; default: none.</param>
    /// <returns>Tokens, one number fewer than <paramref name="edges"/>.</returns>
    public double[] Spread(IReadOnlyList<double> edges, double scale = 1, double shift = 0, double above = double.NegativeInfinity)
    {
        var tokens = new double[edges.Count - 1];
        double width = edges[1] - edges[0];
        for (int i = 0; i < counts.Length; i++)
        {
            double from = scale * Edge(i) + shift, to = scale * Edge(i + 1) + shift;
            if (from > to) (from, to) = (to, from);
            if (counts[i] == 0 || to <= above) continue;
            double n = counts[i] * (from < above ? (to - above) / (to - from) : 1);
            from = Math.Max(from, above);
            int first = Math.Clamp((int)((from - edges[0]) / width), 0, tokens.Length - 1), last = Math.Clamp((int)((to - edges[0]) / width), 0, tokens.Length - 1);
            if (first == last) tokens[first] += n;
            else for (int b = first; b <= last; b++)
                tokens[b] += n * Math.Max(0, (b == last ? to : edges[b + 1]) - (b == first ? from : edges[b])) / (to - from);
        }
        return tokens;
    }

    /// <summary>What the pre-activation must exceed, as far as it alone decides: where latents are chosen together the smallest that was chosen.</summary>
    internal double Floor => isJoint ? SmallestChosen() : Threshold;

    /// <summary>The mean over all tokens of <c>a + b y</c> where the latent fires and of 0 elsewhere; y is the distance from the old threshold.</summary>
    /// <param name="scale">c, not 0.</param>
    /// <param name="shift">d.</param>
    /// <param name="line">a and b, given the distance at which the latent begins to fire and its activation there.</param>
    /// <param name="slack">What rounding may add to the error.</param>
    private DialEstimate Predict(double scale, double shift, Func<double, double, (double A, double B)> line, double slack)
    {
        double floor = Floor, onset = (floor - shift) / scale - Threshold;
        double blur = Rounding * (Math.Abs(floor) + Math.Abs(shift)) / Math.Abs(scale); // what rounding in a pass may put on the other side
        if (scale < 0) blur = Math.Max(blur, double.Epsilon); // those on the very edge, which now do not fire either, are in the bin below it
        var (a, b) = line(onset, floor);
        bool exactAbove = scale > 0 && !isJoint, exactBelow = scale < 0 && !isJoint; // the side whose sum is known
        double sumAbove = sumFired - (double)Threshold * fired, sum = sumAll - (double)Threshold * tokens - sumAbove;
        double exact = exactAbove ? a * fired + b * sumAbove : exactBelow ? a * (tokens - fired) + b * sum : 0;
        double low = 0, high = 0, best = 0;
        for (int i = 0; i < counts.Length; i++)
        {
            if (counts[i] == 0) continue;
            double from = Distance(i), to = Distance(i + 1), n = counts[i];
            bool isCounted = from >= 0 ? exactAbove : exactBelow;
            // Of a bin that is counted, what does not fire is taken out; of another, what fires is put in.
            bool isUpperPart = scale > 0 != isCounted;
            bool isWhole = isUpperPart ? onset <= from - blur : onset >= to + blur;
            if (!isWhole && (isUpperPart ? onset >= to + blur : onset <= from - blur)) continue;
            (double p, double q) = isWhole ? (from, to) : isUpperPart ? (Math.Clamp(onset, from, to), to) : (from, Math.Clamp(onset, from, to));
            double atP = n * (a + b * p), atQ = n * (a + b * q), least = Math.Min(atP, atQ), most = Math.Max(atP, atQ), likely = (atP + atQ) / 2 * (q - p) / (to - from);
            if (!isWhole) (least, most) = (Math.Min(0, least), Math.Max(0, most)); // none of them, or all
            (low, high, best) = isCounted ? (low - most, high - least, best - likely) : (low + least, high + most, best + likely);
        }
        return new((exact + best) / tokens, isJoint ? null : Math.Max(best - low, high - best) / tokens + slack);
    }

    private double Distance(int i) => i >= HistogramBins.PerSide
        ? HistogramBins.Distance(i - HistogramBins.PerSide, firstKey) : -(double)HistogramBins.Distance(HistogramBins.PerSide - i, firstKey);

    /// <summary>The mean size of a pre-activation, not below the true one.</summary>
    private double MeanSize() => Enumerable.Range(0, counts.Length).Sum(i => counts[i] * Math.Max(Math.Abs(Edge(i)), Math.Abs(Edge(i + 1)))) / tokens;

    /// <summary>The pre-activation that as many tokens exceed as the latent fires on.</summary>
    private double SmallestChosen()
    {
        double left = fired;
        int i = counts.Length;
        while (i > 0 && left > counts[i - 1]) left -= counts[--i];
        return i == 0 ? Edge(0) : Edge(i) - (Edge(i) - Edge(i - 1)) * (counts[i - 1] == 0 ? 0 : left / counts[i - 1]);
    }
}
