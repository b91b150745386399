using Parsimony.Autoencoders;
using Parsimony.Autoencoders.Formats;
using Parsimony.Models;
using Parsimony.Models.TorchFiles;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Autoencoders.Formats;

public sealed class SaeFilesTests : IDisposable
{
    private static readonly HookPoint At = new(1, HookSite.MlpOut);
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    public static TheoryData<string, SaeFormat> Expressible => new(
        from kind in SomeKind.Names
        from format in Enum.GetValues<SaeFormat>()
        where Expresses(format, kind)
        select (kind, format));

    public static TheoryData<string, SaeFormat> Inexpressible => new(
        from kind in SomeKind.Names
        from format in Enum.GetValues<SaeFormat>()
        where !Expresses(format, kind)
        select (kind, format));

    private static bool Expresses(SaeFormat format, string kind) => format switch
    {
        SaeFormat.Saelens => !kind.StartsWith("topk transcoder", StringComparison.Ordinal) && !kind.StartsWith("topk skip", StringComparison.Ordinal),
        SaeFormat.DictionaryLearning => kind is "standard" or "standard, b_dec left on" or "topk" or "jumprelu, b_dec left on" or "gated",
        SaeFormat.Sparsify => kind is "topk" or "topk transcoder" or "topk skip_transcoder",
        SaeFormat.Openai => kind is "standard",
        SaeFormat.GemmaScope => kind is "jumprelu, b_dec left on" or "standard, b_dec left on",
        _ => kind is "standard",
    };

    [Theory]
    [MemberData(nameof(Expressible))]
    public void A_round_trip_keeps_every_tensor_and_every_byte(string kind, SaeFormat format)
    {
        using var scope = NewDisposeScope();
        using var sae = SomeKind.Make(kind);
        string first = Path.Combine(folder.Path, "first"), second = Path.Combine(folder.Path, "second");
        string[] files = [.. SaeFiles.Save(first, format, Stored(sae)).Select(f => Path.GetRelativePath(first, f))];
        Assert.NotEmpty(files);
        string at = format is SaeFormat.Openai or SaeFormat.Plain ? Path.Combine(first, files[0]) : first;
        Assert.Equal(format, SaeFiles.Sniff(at));
        using var loaded = SaeFiles.Load(at);
        Assert.Equal((sae.Architecture, format), format == SaeFormat.GemmaScope ? (sae.Architecture, SaeFormat.GemmaScope) : (loaded.Sae.Architecture, loaded.From!.Value));
        foreach (var (name, weight) in sae.Weights) Assert.True(loaded.Sae.Weights[name].SameBits(weight), name);
        Assert.Equal(SaeConfigJson.AppliesBDecToInput(sae), SaeConfigJson.AppliesBDecToInput(loaded.Sae));
        var x = randn(20, 6);
        Assert.True(loaded.Sae.Encode(x).SameBits(sae.Encode(x)) && loaded.Sae.Reconstruct(x).SameBits(sae.Reconstruct(x)));

        SaeFiles.Save(second, format, loaded.Hook is null ? loaded with { Hook = At } : loaded);
        foreach (string file in files) Assert.Equal(File.ReadAllBytes(Path.Combine(first, file)), File.ReadAllBytes(Path.Combine(second, file)));
    }

    [Theory]
    [MemberData(nameof(Inexpressible))]
    public void What_a_format_cannot_express_is_refused_and_nothing_is_written(string kind, SaeFormat format)
    {
        using var sae = SomeKind.Make(kind);
        string said = Assert.Throws<NotSupportedException>(() => SaeFiles.Save(Path.Combine(folder.Path, "out"), format, Stored(sae))).Message;
        Assert.Contains(format switch
        {
            SaeFormat.Saelens => "SAELens has no transcoder that keeps k = 3",
            SaeFormat.Plain => "A plain .pt file cannot say",
            _ => $"this one is a {sae.Architecture}",
        }, said, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(folder.Path));
    }

    [Theory]
    [InlineData("jumprelu", SaeFormat.GemmaScope)]
    [InlineData("standard", SaeFormat.GemmaScope)]
    [InlineData("jumprelu", SaeFormat.DictionaryLearning)]
    [InlineData("topk, b_dec left on", SaeFormat.Sparsify)]
    [InlineData("topk, b_dec left on", SaeFormat.DictionaryLearning)]
    [InlineData("standard, b_dec left on", SaeFormat.Openai)]
    [InlineData("standard, b_dec left on", SaeFormat.Plain)]
    public void Folded_b_dec_is_the_same_function_in_a_form_the_format_has(string kind, SaeFormat format)
    {
        using var scope = NewDisposeScope();
        using var sae = SomeKind.Make(kind);
        using var stored = Stored(SomeKind.Make(kind));
        using var folded = SaeKind.Folded(stored, SaeKind.FormOf(format, sae)!.Value);
        string file = SaeFiles.Save(folder.File("out"), format, folded)[0];
        using var loaded = SaeFiles.Load(format is SaeFormat.Openai or SaeFormat.Plain ? file : folder.File("out"));
        var x = randn(20, 6);
        Assert.True((loaded.Sae.Reconstruct(x) - sae.Reconstruct(x)).abs().max().item<float>() < 1e-4);
        Assert.True((loaded.Sae.Encode(x) - sae.Encode(x)).abs().max().item<float>() < 1e-4);
    }

    [Theory]
    [InlineData(HookSite.AttnIn)]
    [InlineData(HookSite.AttnQkv)]
    [InlineData(HookSite.AttnOut)]
    public void A_hook_of_attention_is_a_module_for_sparsify(HookSite site)
    {
        using var sae = SomeKind.Make("topk");
        SaeFiles.Save(folder.File("out"), SaeFormat.Sparsify, Stored(sae) with { Hook = new HookPoint(1, site) });
        using var loaded = SaeFiles.Load(folder.File("out"));
        Assert.Equal(new HookPoint(1, site), loaded.Hook);
    }

    [Fact]
    public void The_mixed_values_are_no_modules_output()
    {
        using var sae = SomeKind.Make("topk");
        string said = Assert.Throws<NotSupportedException>(() => SaeFiles.Save(folder.File("out"), SaeFormat.Sparsify, Stored(sae) with { Hook = new HookPoint(1, HookSite.AttnZ) })).Message;
        Assert.Contains("blocks.1.attn_z is the output of none", said, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_gated_or_a_transcoder_is_not_folded()
    {
        using var stored = Stored(SomeKind.Make("gated"));
        Assert.Contains("only of standard, jumprelu and topk", Assert.Throws<NotSupportedException>(() => SaeKind.Folded(stored, false)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("standard_renorm", "standard")]
    [InlineData("topk", "topk")]
    [InlineData("jumprelu", "jumprelu")]
    [InlineData("gated", "gated")]
    [InlineData("saelens_gated", "gated")]
    public void Peers_numbers_come_out_behind_every_format(string fixture, string architecture)
    {
        using var scope = NewDisposeScope();
        using var golden = Golden.Open($"sae/{fixture}");
        using var activations = SafetensorsFile.Open(Shared.Path("fixtures/sae/activations.safetensors"));
        var x = activations.Read("x")[..16];
        Tensor W(string name) => golden["init." + name];
        using ISparseAutoencoder sae = architecture switch
        {
            "standard" => new StandardSae(W("W_enc"), W("W_dec"), W("b_enc"), W("b_dec")),
            "topk" => new TopKSae(W("W_enc"), W("W_dec"), W("b_enc"), golden["after_first_prep.b_dec"], 8),
            "jumprelu" => new JumpReluSae(W("W_enc"), W("W_dec"), W("b_enc"), W("b_dec"), W("threshold"), applyBDecToInput: false),
            _ => new GatedSae(W("W_enc"), W("W_dec"), W("b_gate"), W("b_mag"), W("r_mag"), W("b_dec")),
        };
        int formats = 0;
        foreach (var format in Enum.GetValues<SaeFormat>().Where(f => Expresses(f, architecture + (architecture == "jumprelu" ? ", b_dec left on" : ""))))
        {
            string file = SaeFiles.Save(folder.File($"{format}"), format, Stored(sae))[0];
            using var loaded = SaeFiles.Load(format is SaeFormat.Openai or SaeFormat.Plain ? file : folder.File($"{format}"));
            golden.AssertClose("f0", loaded.Sae.Encode(x));
            golden.AssertClose("x_hat0", loaded.Sae.Reconstruct(x));
            formats++;
        }
        Assert.True(formats >= 2);
    }

    [Fact]
    public void The_SAE_that_others_trained_is_found_to_be_transposed_and_reconstructs()
    {
        using var scope = NewDisposeScope();
        string path = Shared.Path("data/sae-weights/sehajr-sae.pt");
        using var stored = SaeFiles.Load(path);
        Assert.Equal((SaeFormat.Plain, 32, 64, null), (stored.From, stored.Sae.DModel, stored.Sae.DSae, stored.Hook));
        using var file = TorchFile.Open(path);
        using var generator = new Generator(1, CPU);
        var x = randn(100, 32, generator: generator);
        var f = ((x - file.Read("b_dec")).matmul(file.Read("W_enc").t()) + file.Read("b_enc")).relu();
        Assert.True((stored.Sae.Encode(x) - f).abs().max().item<float>() < 1e-5);
        Assert.True((stored.Sae.Reconstruct(x) - f.matmul(file.Read("W_dec").t()) - file.Read("b_dec")).abs().max().item<float>() < 1e-5);
        Assert.True((stored.Sae.WDec.norm(dim: 1) - 1).abs().max().item<float>() < 1e-5);
    }

    [Fact]
    public void A_path_with_nothing_known_says_what_was_looked_for()
    {
        string said = Assert.Throws<FileNotFoundException>(() => SaeFiles.Load(folder.Path)).Message;
        foreach (string name in (string[])["sae_weights.safetensors", "ae.pt", "sae.safetensors", "pre_bias", "params.npz"])
            Assert.Contains(name, said, StringComparison.Ordinal);
        Assert.Contains("does not exist", Assert.Throws<FileNotFoundException>(() => SaeFiles.Load(folder.File("no"))).Message, StringComparison.Ordinal);
        TorchFile.Write(folder.File("other.pt"), [new("weight", zeros(2))]);
        Assert.Contains("no SAE of a known format", Assert.Throws<FileNotFoundException>(() => SaeFiles.Load(folder.File("other.pt"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_is_leaked()
    {
        using var sae = SomeKind.Make("topk");
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        foreach (var format in (SaeFormat[])[SaeFormat.Saelens, SaeFormat.DictionaryLearning, SaeFormat.Sparsify])
        {
            SaeFiles.Save(folder.File($"{format}"), format, Stored(sae));
            SaeFiles.Load(folder.File($"{format}")).Dispose();
        }
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    private static StoredSae Stored(ISparseAutoencoder sae) => new() { Sae = sae, Hook = At, ModelName = "tiny" };
}
