using Parsimony.Autoencoders;
using Parsimony.Models;
using static TorchSharp.torch;

namespace Parsimony.Tests.Splicing;

/// <summary>The reference SAE of fixtures/finetune, which belongs to layer 1 of the reference model.</summary>
internal static class ReferenceSae
{
    public static readonly HookPoint At = new(1, HookSite.MlpOut);

    public static Transformer Model() => Transformer.Load(Shared.Path("fixtures/neox_parallel"));

    public static StandardSae Load()
    {
        using var file = SafetensorsFile.Open(Shared.Path("fixtures/finetune/sae.safetensors"));
        using var scope = NewDisposeScope();
        return new StandardSae(file.Read("W_enc"), file.Read("W_dec"), file.Read("b_enc"), file.Read("b_dec"));
    }

    /// <summary>The rows of a <c>[.., seq]</c> tensor of ids.</summary>
    public static List<int[]> Rows(Tensor ids) => [.. ids.Longs().Select(id => (int)id).Chunk((int)ids.shape[^1])];
}
