using Parsimony.Splicing;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Analysis;

/// <summary>Sums over those tokens of texts at which dials act, for every latent without and with the dials: all that effects and similarities are made of.</summary>
internal sealed class LatentActivity
{
    private const long NumbersAtATime = 1 << 22; // of tokens * d_sae, float64

    /// <summary>Tokens seen.</summary>
    public long Tokens { get; private set; }

    /// <summary>Tokens on which a latent fires before, after, and both.</summary>
    public required double[] Before { get; init; }

    public required double[] After { get; init; }

    public required double[] Both { get; init; }

    /// <summary>Sums of |f' - f|; of f and f' where it fires both times; of z where it fires before.</summary>
    public required double[] Moved { get; init; }

    public required double[] LoudBefore { get; init; }

    public required double[] LoudAfter { get; init; }

    public required double[] ActiveInput { get; init; }

    /// <summary>Correlation of f and f' over all tokens; NaN where one of them is constant.</summary>
    public required double[] Pearson { get; init; }

    /// <summary>The largest f and f' of each text, <c>[texts][d_sae]</c>.</summary>
    public required float[][] PeakBefore { get; init; }

    public required float[][] PeakAfter { get; init; }

    /// <summary>Runs over texts.</summary>
    public static LatentActivity Of(DialSeam seam, DialChange change, IReadOnlyList<SftExample> texts, CancellationToken cancellation)
    {
        if (texts.Count == 0) throw new ArgumentException("there is no text to look at; give one or more.", nameof(texts));
        using var noGradient = no_grad();
        using var outer = NewDisposeScope();
        var sae = seam.Turned.Single().Sae;
        var (scale, shift) = change.Tensors(sae.WDec.device);
        var sums = zeros([12, sae.DSae], ScalarType.Float64);
        var (peakBefore, peakAfter) = (new float[texts.Count][], new float[texts.Count][]);
        long tokens = 0, atATime = Math.Max(1, NumbersAtATime / sae.DSae);
        for (int text = 0; text < texts.Count; text++)
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var x = seam.Read(texts[text]);
            var (most, mostTuned) = (zeros(sae.DSae), zeros(sae.DSae));
            for (long from = 0; from < x.size(0); from += atATime)
            {
                using var part = NewDisposeScope();
                var z = sae.PreActivations(x.narrow(0, from, Math.Min(atATime, x.size(0) - from)));         // [tokens, d_sae]
                Tensor f32 = sae.Activate(z).cpu(), tuned32 = Taps.Turned(sae, z, scale, shift).cpu();
                most.copy_(most.maximum(f32.amax([0L])));
                mostTuned.copy_(mostTuned.maximum(tuned32.amax([0L])));
                Tensor f = f32.to(ScalarType.Float64), g = tuned32.to(ScalarType.Float64), on = f.gt(0), tunedOn = g.gt(0), both = on & tunedOn;
                Tensor[] each = [on, tunedOn, both, (g - f).abs(), f * both, g * both, z.cpu().to(ScalarType.Float64) * on, f, g, f * f, g * g, f * g];
                sums.add_(stack([.. each.Select(e => e.sum(0, type: ScalarType.Float64))]));
            }
            (peakBefore[text], peakAfter[text]) = (most.data<float>().ToArray(), mostTuned.data<float>().ToArray());
            tokens += x.size(0);
        }
        if (tokens == 0) throw new ArgumentException($"the dials act at no token of the texts: at the {seam.Positions.ToString().ToLowerInvariant()} alone. Give texts that have some.", nameof(texts));
        double[] Row(int i) => sums[i].data<double>().ToArray();
        var (sumF, sumG) = (sums[7], sums[8]);
        Tensor Spread(Tensor squares, Tensor sum) => (squares - sum * sum / tokens).clamp_min(0).sqrt();
        var (spreadF, spreadG) = (Spread(sums[9], sumF), Spread(sums[10], sumG));
        // A spread that is nothing but rounding is none.
        var constant = spreadF.le(1e-9 * sums[9].sqrt()) | spreadG.le(1e-9 * sums[10].sqrt());
        var pearson = ((sums[11] - sumF * sumG / tokens) / (spreadF * spreadG)).masked_fill(constant, double.NaN).clamp(-1, 1);
        return new LatentActivity
        {
            Tokens = tokens,
            Before = Row(0),
            After = Row(1),
            Both = Row(2),
            Moved = Row(3),
            LoudBefore = Row(4),
            LoudAfter = Row(5),
            ActiveInput = Row(6),
            Pearson = pearson.data<double>().ToArray(),
            PeakBefore = peakBefore,
            PeakAfter = peakAfter,
        };
    }
}
