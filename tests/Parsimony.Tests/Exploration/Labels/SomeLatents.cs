using Parsimony.Autoencoders;
using Parsimony.Exploration.Index;
using Parsimony.Exploration.Labels;
using Parsimony.Models;
using Parsimony.Tests.Exploration.Index;
using Parsimony.Tokens;
using TorchSharp;

namespace Parsimony.Tests.Exploration.Labels;

/// <summary>A tiny model with an SAE sparse enough for silent windows, and its index.</summary>
internal sealed class SomeLatents : IDisposable
{
    public static readonly FeatureIndexOptions Kept = SomeIndex.Options with { TopContexts = 10, SamplesPerInterval = 3, MeasuredContexts = 2 };

    public SomeLatents()
    {
        using var born = Some.Sae();
        using (torch.NewDisposeScope()) Sae = new StandardSae(born.WEnc, born.WDec, born.BEnc - 1.2, born.BDec);
        Index = SomeIndex.Make(Folder.File("index"), Model, Sae, Contexts, Kept);
        Tokenizer = Tokenizer.Load(Path.Combine(SomeFolder.Model(Folder.File("model")), "tokenizer.json"));
    }

    public TemporaryFolder Folder { get; } = new();

    public Transformer Model { get; } = Some.Model();

    public StandardSae Sae { get; }

    public List<int[]> Contexts { get; } = Some.Contexts(count: 60, length: 16);

    public FeatureIndex Index { get; }

    public Tokenizer Tokenizer { get; }

    public int[] Alive() => [.. Enumerable.Range(0, Index.DSae).Where(i => Index.Fired[i] > 0)];

    public Labeller Labeller(LabellingOptions? options = null) => new(Index, Model, Sae, Tokenizer, options);

    public void Dispose()
    {
        Index.Dispose();
        Sae.Dispose();
        Model.Dispose();
        Folder.Dispose();
    }
}
