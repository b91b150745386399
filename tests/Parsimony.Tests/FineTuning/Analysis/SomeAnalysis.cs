using Parsimony.Autoencoders;
using Parsimony.FineTuning;
using Parsimony.FineTuning.Analysis;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tests.FineTuning.Policy;
using Parsimony.Tests.Splicing;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Analysis;

/// <summary>A tiny model with an SAE in it, dials of which the first eight latents are at rest, and things to analyse them for.</summary>
internal sealed class SomeAnalysis : IDisposable
{
    public const int AtRest = 8, SecondDSae = 24;

    public static readonly HookPoint Second = new(2, HookSite.MlpOut);

    private readonly Transformer model;
    private readonly StandardSae sae = TinySae.Random(), second = TinySae.Random(dSae: SecondDSae, seed: 12);
    private readonly PrefixCache prefixes;

    public SomeAnalysis(SpliceMode mode = SpliceMode.Delta, int vocabulary = 40)
    {
        model = SomePolicy.Model(vocabulary);
        prefixes = new PrefixCache(model, TinySae.At, 1 << 24);
        Seam = new DialSeam(prefixes, sae, mode);
        Both = new DialSeam(prefixes, [new(Second, second), new(TinySae.At, sae)], mode);
        SecondAlone = new DialSeam(prefixes, [new(Second, second)], mode);
    }

    public DialSeam Seam { get; }

    /// <summary>The same SAE, and another one layer above it.</summary>
    public DialSeam Both { get; }

    /// <summary>The one above by itself.</summary>
    public DialSeam SecondAlone { get; }

    /// <summary>Dials of the one above, away from rest.</summary>
    public static DialChange SecondChange(double size = 1)
    {
        using var scope = NewDisposeScope();
        return DialChange.Of(1 + Drawn.Normal(4, SecondDSae) * 0.3, Drawn.Normal(5, SecondDSae) * 0.1).Along(size);
    }

    /// <summary>Away from rest, but for the first eight.</summary>
    public static DialChange Change(double size = 1)
    {
        using var scope = NewDisposeScope();
        using var dials = SomePolicy.Dials();
        return DialChange.Of(dials.Scale(), dials.Shift()).Without(Enumerable.Range(0, AtRest)).Along(size);
    }

    /// <summary>Texts without a prompt.</summary>
    public static List<SftExample> Texts(int count = 6) => [.. Some.Contexts(count).Select(tokens => new SftExample(tokens, 1))];

    /// <summary>Examples of different lengths, with and without a prompt.</summary>
    public static List<SftExample> Examples(int count = 6, int seed = 5) =>
        [.. Some.Contexts(count, 12, seed).Select((tokens, i) => new SftExample(tokens[..(12 - i % 3)], i % 2 == 0 ? 1 : 4))];

    public LossObjective Loss(int count = 6) => new(Seam, Examples(count));

    /// <summary>The change at which dials come to rest in a gradient by the plain way: c and d of all rows together.</summary>
    public (double[] Scale, double[] Shift) Gradient(DialChange change, Func<Tap, Tensor> total)
    {
        using var scope = NewDisposeScope();
        var (c, d) = change.Tensors();
        (c, d) = (c.requires_grad_(), d.requires_grad_());
        var gradients = Gradients.Of(total(Taps.Splice(TinySae.At, sae, Seam.Mode, c, d)), [c, d]);
        return ([.. gradients[0].Doubles()], [.. gradients[1].Doubles()]);
    }

    public void Dispose()
    {
        prefixes.Dispose();
        sae.Dispose();
        second.Dispose();
        model.Dispose();
    }
}

/// <summary>Tensors as numbers.</summary>
internal static class Numbers
{
    public static double[] Doubles(this Tensor t) => t.to(ScalarType.Float64).data<double>().ToArray();
}
