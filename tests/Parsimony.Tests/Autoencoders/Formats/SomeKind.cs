using Parsimony.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Tests.Autoencoders.Formats;

/// <summary>A small random SAE of every kind, no tensor left at a special value.</summary>
internal static class SomeKind
{
    public static readonly string[] Names =
    [
        "standard", "standard, b_dec left on", "topk", "topk, b_dec left on", "jumprelu", "jumprelu, b_dec left on", "jumprelu, one threshold", "gated",
        "gated, b_dec left on", "transcoder", "skip_transcoder", "topk transcoder", "topk skip_transcoder", "wide transcoder",
    ];

    public static ISparseAutoencoder Make(string name, int d = 6, int f = 14)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(7, CPU);
        Tensor Drawn(params long[] shape) => randn(shape, generator: generator);
        bool apply = !name.Contains("left on", StringComparison.Ordinal);
        Tensor wEnc = Drawn(d, f), wDec = Drawn(f, d), bEnc = Drawn(f), bDec = Drawn(d), threshold = Drawn(f).abs(), wSkip = Drawn(d, d), bMag = Drawn(f), rMag = Drawn(f);
        return name.Split(',')[0] switch
        {
            "standard" => new StandardSae(wEnc, wDec, bEnc, bDec, apply),
            "topk" => new TopKSae(wEnc, wDec, bEnc, bDec, 3, apply),
            "jumprelu" => new JumpReluSae(wEnc, wDec, bEnc, bDec, name.EndsWith("one threshold", StringComparison.Ordinal) ? full(f, 0.25f) : threshold, apply),
            "gated" => new GatedSae(wEnc, wDec, bEnc, bMag, rMag, bDec, apply),
            "transcoder" => new Transcoder(wEnc, wDec, bEnc, bDec),
            "skip_transcoder" => new Transcoder(wEnc, wDec, bEnc, bDec, wSkip),
            "topk transcoder" => new Transcoder(wEnc, wDec, bEnc, bDec, k: 3),
            "topk skip_transcoder" => new Transcoder(wEnc, wDec, bEnc, bDec, wSkip, 3),
            "wide transcoder" => new Transcoder(wEnc, Drawn(f, 9), bEnc, Drawn(9), Drawn(d, 9)),
            _ => throw new ArgumentException(name),
        };
    }
}
