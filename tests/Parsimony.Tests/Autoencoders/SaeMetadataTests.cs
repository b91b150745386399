using Parsimony.Autoencoders;
using Parsimony.Models;
using Xunit;

namespace Parsimony.Tests.Autoencoders;

public sealed class SaeMetadataTests
{
    private static readonly SaeMetadata Metadata = new()
    {
        Hook = new HookPoint(1, HookSite.MlpOut),
        ModelName = "tiny",
        ModelSha256 = new string('a', 64),
        TokenizerSha256 = new string('b', 64),
    };

    [Fact]
    public void An_SAE_fits_the_model_it_was_trained_on()
    {
        using var sae = Some.Sae();
        Metadata.EnsureFits(sae, Some.Config());
        Metadata.EnsureFits(sae, Some.Config(), Metadata.Hook, Metadata.ModelSha256, Metadata.TokenizerSha256);
        (Metadata with { ModelSha256 = null }).EnsureFits(sae, Some.Config(), modelSha256: "whatever"); // an unknown origin is not held against it
    }

    [Fact]
    public void Another_hook_is_refused() =>
        Refused("was trained at blocks.1.mlp_out, not at blocks.0.mlp_out", Metadata, at: new HookPoint(0, HookSite.MlpOut));

    [Fact]
    public void A_layer_that_the_model_lacks_is_refused() =>
        Refused("trained at blocks.9.mlp_out, but the model's layers are 0 to 2", Metadata with { Hook = new HookPoint(9, HookSite.MlpOut) });

    [Fact]
    public void Another_width_is_refused() =>
        Refused("takes activations of width 16, but blocks.1.mlp_pre of this model has width 32", Metadata with { Hook = new HookPoint(1, HookSite.MlpPre) });

    [Fact]
    public void Another_model_is_refused() =>
        Refused("trained with another model: SHA-256 aaaaaaaaaaaa…, this one has cccccccccccc…", Metadata, modelSha256: new string('c', 64));

    [Fact]
    public void Another_tokenizer_is_refused() =>
        Refused("trained with another tokenizer", Metadata, tokenizerSha256: new string('c', 64));

    private static void Refused(string said, SaeMetadata metadata, HookPoint? at = null, string? modelSha256 = null, string? tokenizerSha256 = null)
    {
        using var sae = Some.Sae();
        var fault = Assert.Throws<InvalidDataException>(() => metadata.EnsureFits(sae, Some.Config(), at, modelSha256, tokenizerSha256));
        Assert.Contains(said, fault.Message, StringComparison.Ordinal);
    }
}
